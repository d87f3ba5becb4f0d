"""The kinds of work that a worker can do, each named by the function that does it.

A job function takes a JSON payload, the artifact store and a progress sink, and returns a JSON result; arrays travel as artifacts. It
never opens the ledger.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import OperationError, nearest

ProgressSink = Callable[[Mapping[str, Any]], None]
Job = Callable[[Mapping[str, Any], ArtifactStore, ProgressSink], dict[str, Any]]

JOBS: Mapping[str, str] = {
    "warm": "nullalpha.engines.jobs:warm",
    "population": "nullalpha.engines.jobs:population",
    "signal": "nullalpha.engines.jobs:signal",
    "attack": "nullalpha.engines.jobs:attack",
    "evidence": "nullalpha.engines.jobs:evidence",
    "joint_test": "nullalpha.engines.jobs:joint_test",
    "deflate": "nullalpha.engines.jobs:deflate",
    "embed": "nullalpha.memory.embed_job:embed",
}


def load_job(kind: str) -> Job:
    """Import and return the function of a kind.

    Raises:
        OperationError: for an unknown kind, with the nearest one.
    """
    if kind not in JOBS:
        raise OperationError(f"unknown kind of operation {kind!r}", path="kind", value=kind, suggestion=nearest(kind, list(JOBS)))
    module, _, function = JOBS[kind].partition(":")
    job: Job = getattr(importlib.import_module(module), function)
    return job
