"""Where bars come from: one file a source, listed in `registry`."""
