from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.operations.pool import WorkerPool


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for artifacts and logs."""
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="session")
def artifacts(place: Path) -> ArtifactStore:
    return ArtifactStore(place / "artifacts")


@pytest.fixture(scope="session")
def pool(place: Path) -> Iterator[WorkerPool]:
    """One worker process; tests that kill it leave a fresh one."""
    with WorkerPool(1, place / "artifacts", place / "logs") as opened:
        yield opened
