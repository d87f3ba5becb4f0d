"""Where compiled code is kept: a folder for each state of the sources it was compiled from.

Numba compiles a cached function again when its own file changes, but not when a constant or a function of another file does that was
compiled into it. After an edit or an update it would go on running what no source says any more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_KEPT = 4
"""States whose compiled code stays on disk."""


def keep_compiled_code_of(package: Path) -> None:
    """Make numba keep what it compiles where only these sources find it, unless the user has named a place.

    Args:
        package: folder whose Python files are compiled together.
    """
    if VARIABLE in os.environ:
        return
    folder = compiled_folder(package)
    if folder is None:
        return
    os.environ[VARIABLE] = str(folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def compiled_folder(package: Path) -> Path | None:
    """Return the folder for the sources as they are now, beside them or in the user's cache; None where neither can be written.

    It is made if it is new, and then all but the latest ones are deleted.
    """
    state = _state_of(package)
    for root in (package / "__pycache__" / "compiled", Path.home() / ".cache" / "nullalpha" / "compiled"):
        folder = root / state
        try:
            new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            if new:
                _delete_old(root)
            return folder
    return None


def _delete_old(root: Path) -> None:
    """Delete all but the latest folders; another process may be doing the same."""
    made: list[tuple[int, Path]] = []
    for folder in root.iterdir():
        with suppress(FileNotFoundError):
            made.append((folder.stat().st_mtime_ns, folder))
    for _, old in sorted(made, reverse=True)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _state_of(package: Path) -> str:
    """Return a name for the sources' paths, sizes and times of change."""
    facts = [(str(path.relative_to(package)), path.stat()) for path in sorted(package.rglob("*.py"))]
    return hashlib.sha256(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts]).encode()).hexdigest()[:16]
