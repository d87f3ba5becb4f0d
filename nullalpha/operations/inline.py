"""Jobs in this process: for one strategy at a time, from the command line or a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import NullAlphaError
from nullalpha.operations.jobs import ProgressSink, load_job


class InlineExecutor:
    """Runs each job at once, in the caller's thread."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def submit(self, kind: str, payload: Mapping[str, Any], progress: ProgressSink) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        try:
            future.set_result(load_job(kind)(payload, self._artifacts, progress))
        except NullAlphaError as error:
            future.set_exception(error)
        return future

    def abandon(self) -> None:
        """Nothing runs between calls."""
