from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_benchmark_reads_back_what_it_wrote_in_every_form_and_writes_what_it_measured(tmp_path: Path) -> None:
    result = tmp_path / "data.json"
    command = [sys.executable, "benchmarks/data.py", "--size", "short", "--bars", "3000", "--output", str(result)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    written = json.loads(result.read_text())
    assert written["bars"] == 3000
    assert {"processor", "cores", "system", "python", "versions"} == set(written["machine"])
    assert [row["form"] for row in written["rows"]] == ["csv, UTC", "csv, local times", "csv, epoch milliseconds", "parquet"]
    assert all(row[name] > 0 for row in written["rows"] for name in ("megabytes", "first_import", "import_", "read_back", "pandas"))
    assert ended.stdout.count("\n") == 6
