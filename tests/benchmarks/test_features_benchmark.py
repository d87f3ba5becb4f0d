from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nullalpha.engines.features.indicators import INDICATORS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_benchmark_finds_every_indicator_equal_to_its_peers_and_writes_what_it_measured(tmp_path: Path) -> None:
    result = tmp_path / "features.json"
    command = [sys.executable, "benchmarks/features.py", "--size", "short", "--bars", "3000", "--output", str(result)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    written = json.loads(result.read_text())
    assert written["bars"] == 3000
    assert {"processor", "cores", "system", "python", "versions"} == set(written["machine"])
    assert [row["name"] for row in written["rows"]] == ["five indicators", "feature matrix", *INDICATORS]
    assert all(row["nullalpha_ms"] > 0 for row in written["rows"])
    assert all(row["difference"] < 1e-5 for row in written["rows"] if row["difference"] is not None)
    assert ended.stdout.count("\n") == len(INDICATORS) + 4
