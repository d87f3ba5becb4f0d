"""The file of an unfinished fit: kept where work breaks off, taken up again, gone when the work is done."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nullalpha.core.errors import OperationError
from nullalpha.engines.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nullalpha.engines.unfinished import KEPT_SECONDS, unfinished_fit

PAYLOAD = {"documents": [{"name": "one"}], "seed": 1}


def _break_off(folder: Path, cut: int = 0) -> Path:
    """Write a checkpoint, cut short by some bytes, and fail; return where it is."""
    at: list[Path] = []

    def work() -> None:
        with unfinished_fit(folder, PAYLOAD) as path:
            at.append(path)
            save_checkpoint(path, Checkpoint("jobs", [[0]]))
            path.write_bytes(path.read_bytes()[: len(path.read_bytes()) - cut])
            raise OperationError("the machine went down")

    with pytest.raises(OperationError):
        work()
    return at[0]


def test_work_that_breaks_off_leaves_its_file_for_the_same_payload_alone(tmp_path: Path) -> None:
    path = _break_off(tmp_path)
    with unfinished_fit(tmp_path, {**PAYLOAD, "seed": 2}) as other:
        assert other != path
    with unfinished_fit(tmp_path, PAYLOAD) as again:
        found = load_checkpoint(again, "jobs")
        assert found is not None
        assert found.groups == [[0]]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    assert _break_off(tmp_path, cut=7).exists()
    with unfinished_fit(tmp_path, PAYLOAD) as again:
        assert not again.exists()


def test_files_that_nobody_took_up_are_deleted_after_a_week(tmp_path: Path) -> None:
    for name, age in (("old", KEPT_SECONDS + 60), ("young", KEPT_SECONDS - 60)):
        (tmp_path / f"{name}.safetensors").touch()
        os.utime(tmp_path / f"{name}.safetensors", (time.time() - age,) * 2)
    with unfinished_fit(tmp_path, PAYLOAD):
        assert [path.name for path in tmp_path.iterdir()] == ["young.safetensors"]
