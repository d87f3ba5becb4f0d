"""The first process that ever fits gives the bits that all later ones give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FIT = """
import numpy as np
from nullalpha.engines.training.fit import FitJob, fit_many
from nullalpha.engines.training.fused.ready import _smallest_plans
from nullalpha.engines.training.population import FitTask
from dataclasses import replace
rng = np.random.default_rng(1)
x = rng.normal(size=(300, 1))
task = FitTask(x, np.sign(x[:, 0]) + 0.3 * rng.normal(size=300), np.arange(200), np.arange(200, 300), 3)
plans = [replace(plan, training=replace(plan.training, epochs=6, patience=6)) for plan in _smallest_plans()]
for result in fit_many([FitJob(plan, task) for plan in plans], engine="fused"):
    print(result.history.tobytes().hex())
"""


def test_a_process_that_finds_no_compiled_kernels_fits_to_the_same_bits_as_one_that_does(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    )
    assert len(first.splitlines()) == 3
    assert first == second
    assert (tmp_path / "training.ready").exists()
