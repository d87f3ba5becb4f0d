"""Keeping numba's cache honest across files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType


def source_stamp(*modules: ModuleType) -> int:
    """Return a number that changes with the source of any of the modules.

    Numba's cache looks at a kernel's own file and at what the kernel closes over. A kernel that calls compiled functions of other modules
    is defined inside a function that takes their stamp, and reads it, so that it is compiled again when they change.
    """
    digest = hashlib.sha256()
    for module in modules:
        if module.__file__ is not None:
            digest.update(Path(module.__file__).read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")
