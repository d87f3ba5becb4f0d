"""Where a job's fit stands while it is unfinished: one file for a payload, gone when the job is done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nullalpha.core.errors import ArtifactError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.engines.training.checkpoint import require_readable

KEPT_SECONDS = 7 * 86_400.0
"""Files of jobs that nobody took up again are deleted after so long."""


@contextmanager
def unfinished_fit(folder: Path, payload: Mapping[str, Any]) -> Iterator[Path]:
    """Give the file of a payload's fit; it stays where the work inside does not end well, to be gone on from.

    A file that cannot be read is deleted: the fit begins again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fingerprint(payload)}.safetensors"
    for old in folder.glob("*.safetensors"):
        if old != path and time.time() - old.stat().st_mtime > KEPT_SECONDS:
            old.unlink(missing_ok=True)
    try:
        require_readable(path)
    except ArtifactError:
        path.unlink()
    yield path
    path.unlink(missing_ok=True)
