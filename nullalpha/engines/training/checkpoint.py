"""A fit in one safetensors file, from which it goes on to the bit: what is done, what is waiting, where the present group stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nullalpha.core.artifacts import write_durably
from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.engines.training.epochs import State
from nullalpha.engines.training.fit_result import FitResult

FORMAT = "nullalpha fit 1"
_NUMBERS = ("best_epoch", "epochs_run", "train_loss", "stop_loss", "diverged")


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit of many jobs stands.

    Attributes:
        jobs: fingerprint of the jobs and of how they are fitted.
        groups: jobs (indices) side by side that are not done yet, in the order in which they are fitted.
        state: of the first of these groups; empty before its first epoch.
        done: results by job.
    """

    jobs: str
    groups: list[list[int]]
    state: State = field(default_factory=dict)
    done: Mapping[int, FitResult] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of the last one, whole or not at all.

    Raises:
        UsageError: if the file cannot be written there.
        StorageFullError: if the disk is full.
    """
    arrays: dict[str, NDArray[np.generic]] = {f"state/{name}": array for name, array in checkpoint.state.items()}
    for at, result in checkpoint.done.items():
        arrays[f"done/{at}/numbers"] = np.array([float(getattr(result, name)) for name in _NUMBERS])
        arrays[f"done/{at}/history"] = result.history
        arrays |= {f"done/{at}/weights/{name}": array for name, array in result.weights.items()}
    arrays = {name: np.array(array, order="C") for name, array in sorted(arrays.items())}
    about = json.dumps({"jobs": checkpoint.jobs, "groups": checkpoint.groups})
    data = save(arrays, metadata={"format": FORMAT, "about": about, "sha256": _digest(arrays, about)})
    try:
        write_durably(path, data)
    except OSError as error:
        raise UsageError(
            f"no checkpoint can be written to {path}: {error.strerror}",
            path=str(path),
            value=str(path),
            suggestion="name a file in a folder that can be written to",
        ) from error


def load_checkpoint(path: Path, jobs: str) -> Checkpoint | None:
    """Return the checkpoint at a path; None where there is none yet.

    Args:
        path: of the file.
        jobs: fingerprint of the jobs that are to go on.

    Raises:
        ArtifactError: if the file is corrupt.
        UsageError: if it is of other jobs, or of jobs fitted in another way.
    """
    if not path.exists():
        return None
    arrays, about = _read(path)
    said = json.loads(about)
    if said["jobs"] != jobs:
        raise UsageError(
            f"the checkpoint at {path} is of other jobs, or of these fitted in another way",
            path=str(path),
            value=said["jobs"][:12],
            suggestion="fit the same plans on the same data with the same engine, device and precision, or name another file",
        )
    state = {name.removeprefix("state/"): array for name, array in arrays.items() if name.startswith("state/")}
    numbers = [int(name.split("/")[1]) for name in arrays if name.endswith("/numbers")]
    return Checkpoint(jobs, said["groups"], state, {at: _result(at, arrays) for at in numbers})


def require_readable(path: Path) -> None:
    """Check that the file, if there is one, is a whole checkpoint.

    Raises:
        ArtifactError: if it is corrupt.
    """
    if path.exists():
        _read(path)


def _read(path: Path) -> tuple[dict[str, NDArray[np.generic]], str]:
    """Return the arrays of a checkpoint, and what it says about itself."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError) as error:
        raise _corrupt(path, str(error)) from error
    if about.get("format") != FORMAT or about.get("sha256") != _digest(arrays, about.get("about", "")):
        raise _corrupt(path, "its contents are not those that were written")
    return arrays, about["about"]


def _result(at: int, arrays: Mapping[str, NDArray[np.generic]]) -> FitResult:
    start = f"done/{at}/weights/"
    best_epoch, epochs_run, train_loss, stop_loss, diverged = arrays[f"done/{at}/numbers"].astype(np.float64).tolist()
    return FitResult(
        weights={name.removeprefix(start): array.astype(np.float64) for name, array in arrays.items() if name.startswith(start)},
        best_epoch=int(best_epoch),
        epochs_run=int(epochs_run),
        train_loss=train_loss,
        stop_loss=stop_loss,
        diverged=bool(diverged),
        history=arrays[f"done/{at}/history"].astype(np.float64),
    )


def _digest(arrays: Mapping[str, NDArray[np.generic]], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _corrupt(path: Path, why: str) -> ArtifactError:
    return ArtifactError(f"the checkpoint at {path} is corrupt: {why}", path=str(path), suggestion="delete it; the fit then begins anew")
