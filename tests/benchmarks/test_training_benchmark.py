from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

REPOSITORY = Path(__file__).resolve().parents[2]
CANDIDATES = ["torch loop, 2 processes", "tensors", "compiled, 1 thread", "compiled, 2 threads"]
KINDS = ["fuzzy_mlp", "anfis", "fuzzy_gru", "fuzzy_lstm"]


def test_the_benchmark_finds_all_engines_at_the_same_losses_and_writes_what_it_measured(tmp_path: Path) -> None:
    result = tmp_path / "training.json"
    command = [sys.executable, "benchmarks/training.py", "--size", "short", "--output", str(result)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    written = json.loads(result.read_text())
    assert {"processor", "cores", "system", "python", "versions"} == set(written["machine"])
    assert [(row["kind"], row["candidate"]) for row in written["rows"]] == [(kind, name) for kind in KINDS for name in CANDIDATES]
    assert all(row["apart"] < 1e-5 and 0.0 < row["best_ms"] <= row["median_ms"] for row in written["rows"])
    assert {row["engine"] for row in written["scaling"]} == {"tensor", "fused"}
    assert [row["candidate"] for row in written["memory"]] == ["tensor", "fused", "torch loop"]
    assert bool(written["gpu"]) == torch.cuda.is_available()


def test_the_work_of_a_fuzzy_mlp_by_hand() -> None:
    """Layers 18-32-16-1 have 576 + 512 + 16 = 1,104 weights and 1,153 parameters.

    A row learned from: 6 x 1,104 - 2 x 576 = 5,472 operations, 18 + 4 x 49 = 214 values; a row to stop by: 2,208 and 67. One epoch of
    256 and 10 rows, one step: 1,400,832 + 22,080 operations; (54,784 + 670) x 4 + 8 x 1,153 x 4 = 258,712 bytes.
    """
    from benchmarks.training_gpu import work_of
    from benchmarks.training_peers import Size

    assert work_of(Size(256, 10, 1), 1, 4) == (1_422_912.0, 258_712.0)
    assert work_of(Size(256, 10, 3), 2, 4) == (6 * 1_422_912.0, 6 * 258_712.0)
