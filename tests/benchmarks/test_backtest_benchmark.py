from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ONE = ["nullalpha", "vectorbt rust", "vectorbt numba", "backtesting.py"]
MANY = ["nullalpha", "vectorbt with figures", "vectorbt simulation alone"]


def test_the_benchmark_finds_strategies_equal_in_all_engines_and_writes_what_it_measured(tmp_path: Path) -> None:
    result = tmp_path / "backtest.json"
    command = [sys.executable, "benchmarks/backtest.py", "--size", "short", "--output", str(result)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    written = json.loads(result.read_text())
    assert {"processor", "cores", "system", "python", "versions"} == set(written["machine"])
    assert [(row["work"], row["candidate"]) for row in written["rows"]] == [
        *(("one strategy, 5,031 days", name) for name in ONE),
        *(("one strategy, 20,000 minutes", name) for name in ONE),
        *(("50 strategies, 5,031 days", name) for name in MANY),
    ]
    assert all(0.0 < row["best_ms"] <= row["median_ms"] for row in written["rows"])
    assert all(row["apart"] < (1e-8 if row["candidate"] == "backtesting.py" else 1e-9) for row in written["rows"])
    assert [(step["n_strategies"], step["n_threads"]) for step in written["growth"][:3]] == [(5, 1), (50, 1), (500, 1)]
    assert written["memory"]["n_strategies"] == 500
    assert written["memory"]["peak_mb"] > written["memory"]["idle_mb"] > 20.0
