"""NullAlpha: a local-first research lab that presumes no strategy has alpha until evidence says otherwise."""

__version__ = "0.1.0"
