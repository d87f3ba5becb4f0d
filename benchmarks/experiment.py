"""The whole experiment, from a strategy's document to its verdict: how many an hour a core makes, and where the time goes.

A campaign of the search designer on the lab's own daily bars runs through the command line in a home of its own, with one worker and with
two. Then the same documents go through the same jobs in this process, timed by phase.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._machine import machine  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "experiment.json"
FULL_TRIALS, SHORT_TRIALS = 48, 8
PER_MINUTE = 20
"""The target on two cores, later 60 (experiments of five folds and sixty epochs on some 5,000 daily bars)."""

PHASES = {
    "features": ("pipeline.py", "compute_features"),
    "labels": ("labels.py", "make_labels"),
    "fitting": ("ensemble.py", "fit_strategies"),
    "predicting": ("predict.py", "predict_signal"),
    "backtests": ("run.py", "run_backtest"),
    "baselines": ("baselines.py", "compare_with_baselines"),
    "pruning": ("pruning.py", "prune_rules"),
    "figures of trades": ("trades.py", "trade_array"),
    "storing": ("outcome_json.py", "outcome_body"),
    "attack for look-ahead": ("lookahead.py", "attack"),
    "evidence": ("jobs.py", "evidence"),
}
"""Where each phase begins; phases inside another one are shown by themselves too, so that shares may add up to more than the whole."""


@dataclass(frozen=True)
class CampaignRun:
    """One campaign: `seconds` as its ledger has them, without the start of the program."""

    workers: int
    trials: int
    seconds: float
    wall_seconds: float
    per_minute: float
    per_hour_and_core: float
    worker_peak_mb: float


def run_campaign(home: Path, workers: int, trials: int) -> CampaignRun:
    """Run one campaign through the command line."""
    command = [sys.executable, "-m", "nullalpha", "research", "run", "--home", str(home), "--trials", str(trials), "--json"]
    environment = os.environ | {"NULLALPHA_WORKERS": str(workers)}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"the campaign ended with {done.returncode}:\n{done.stderr[-2000:]}")
    seconds = float(json.loads(done.stdout)["seconds"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return CampaignRun(workers, trials, seconds, wall, 60 * trials / seconds, 3600 * trials / seconds / workers, peak)


def phases_of(home: Path) -> dict[str, Any]:
    """Send a home's documents through the jobs in this process; return seconds an experiment by phase."""
    import torch

    from nullalpha.app.hosting import build_context
    from nullalpha.app.lab import Lab
    from nullalpha.engines.jobs import attack, evidence, population

    torch.set_num_threads(1)
    lab = Lab(home)
    campaign = lab.stores.campaigns.all()[0]
    context = build_context(lab, campaign.id, None, None, lambda: False)  # type: ignore[arg-type]
    rows = [row for row in lab.stores.experiments.of_campaign(campaign.id) if row.fingerprint]
    market = context.market(context.bars.search(), context.config.instruments)
    common = {"market": market, "seed": context.config.seed, "protocol": campaign.protocol}
    artifacts = lab.artifacts
    size, span = context.protocol.shard_size, asdict(context.search_span)

    def work(chosen: Sequence[Any]) -> None:
        for start in range(0, len(chosen), size):
            shard = chosen[start : start + size]
            payload = {**common, "documents": [row.document for row in shard], "span": span, "device": "cpu"}
            for row, result in zip(shard, population(payload, artifacts, lambda _: None)["experiments"], strict=True):
                if result["status"] == "done":
                    shape = {"weights": result["last_weights"], "cuts": context.protocol.attack_cuts, "first_row": result["first_test_row"]}
                    attack({**common, "document": row.document, **shape}, artifacts, lambda _: None)
                    evidence({**common, "series": result["series"]}, artifacts, lambda _: None)

    work(rows[:size])  # imports and compiled code
    profile = cProfile.Profile()
    began = time.perf_counter()
    profile.runcall(work, rows)
    seconds = time.perf_counter() - began
    return {"experiments": len(rows), "seconds_each": seconds / len(rows), "phases": _by_phase(profile, seconds)}


def _by_phase(profile: cProfile.Profile, seconds: float) -> dict[str, float]:
    """Return each phase's share of the time."""
    found = {}
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for phase, (file, function) in PHASES.items():
        found[phase] = sum(row[3] for (path, _, name), row in stats.items() if name == function and Path(path).name == file) / seconds
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Whole experiments an hour, and where their time goes.")
    parser.add_argument("--size", choices=("short", "full"), default="full", help=f"{SHORT_TRIALS} or {FULL_TRIALS} trials")
    parser.add_argument("--output", type=Path, help=f"result file (default {RESULT.relative_to(ROOT)} of a full run)")
    given = parser.parse_args(arguments)
    trials = SHORT_TRIALS if given.size == "short" else FULL_TRIALS
    output = given.output or (RESULT if given.size == "full" else None)
    with tempfile.TemporaryDirectory() as folder:
        homes = {workers: Path(folder) / f"home-{workers}" for workers in ((1,) if given.size == "short" else (1, 2))}
        runs = [run_campaign(home, workers, trials) for workers, home in homes.items()]
        profile = phases_of(homes[1])
    for run in runs:
        print(
            f"{run.workers} workers: {run.trials} experiments in {run.seconds:.1f} s ({run.wall_seconds:.1f} s with the start), "
            f"{run.per_minute:.0f} a minute, {run.per_hour_and_core:.0f} an hour a core, {run.worker_peak_mb:.0f} MB at most"
        )
    print(f"in one process: {profile['seconds_each']:.2f} s each; share of the time by phase (one may hold another)")
    for phase, share in sorted(profile["phases"].items(), key=lambda item: -item[1]):
        print(f"  {phase:<24}{share:>7.1%}")
    if output is not None:
        result = {
            "benchmark": "experiment",
            "target_per_minute": PER_MINUTE,
            "machine": machine(("numpy", "numba", "torch", "scikit-learn")),
            "campaigns": [asdict(run) for run in runs],
            "profile": profile,
        }
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {output}")


if __name__ == "__main__":
    main()
