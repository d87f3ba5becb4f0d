"""Compiled code is found by the sources that it was made of, and by no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nullalpha.core.compiled import compiled_folder

PROGRAM = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from nullalpha.core.compiled import keep_compiled_code_of
keep_compiled_code_of(Path({package!r}))
from sums.outer import total
print(total(10.0))
"""


def _write(package: Path, constant: float) -> None:
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(f"from numba import njit\nRATE = {constant}\n@njit(cache=True)\ndef taxed(x):\n    return x * RATE\n")
    (package / "outer.py").write_text(
        "from numba import njit\nfrom sums.inner import taxed\n@njit(cache=True)\ndef total(x):\n    return taxed(x) + 1.0\n"
    )


def _total(root: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    program = PROGRAM.format(root=str(root), package=str(root / "sums"))
    repository = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment | {"PYTHONPATH": repository}
    )
    return float(done.stdout)


def test_a_constant_in_another_file_changes_what_a_cached_function_computes(tmp_path: Path) -> None:
    _write(tmp_path / "sums", 2.0)
    assert _total(tmp_path) == 21.0
    (tmp_path / "sums" / "inner.py").write_text((tmp_path / "sums" / "inner.py").read_text().replace("RATE = 2.0", "RATE = 3.5"))
    assert _total(tmp_path) == 36.0


def test_the_folder_stays_while_the_sources_do_and_few_old_ones_are_kept(tmp_path: Path) -> None:
    _write(tmp_path, 1.0)
    first = compiled_folder(tmp_path)
    assert first is not None
    assert compiled_folder(tmp_path) == first
    folders = set()
    for number in range(6):
        _write(tmp_path, 10.0 + 10.0**number)
        folders.add(compiled_folder(tmp_path))
    assert first not in folders
    assert len(folders) == 6
    assert len(list(first.parent.iterdir())) == 4
