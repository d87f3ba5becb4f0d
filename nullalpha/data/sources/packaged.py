"""Data files that an installed package ships, found without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from nullalpha.core.errors import NotFoundError


def packaged_file(package: str, *parts: str) -> Path:
    """Return the path of a file in an installed package.

    Raises:
        NotFoundError: if the package or the file is not installed.
    """
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], *parts) if folders else None
    if path is None or not path.is_file():
        raise NotFoundError(
            f"sample data are missing: package {package} ships no {'/'.join(parts)} here",
            value=path,
            suggestion=f"run `make setup`, which installs the pinned {package}",
        )
    return path
