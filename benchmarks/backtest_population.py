"""The population kernel: against vectorbt, by strategies, bars and threads, and what memory it takes.

Run as a program it trades a population once and prints its process's memory: `measure_memory` starts it so, because a peak belongs to a
process and that of the benchmark itself is its peers'.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._timing import OURS, Row, in_turn  # noqa: E402
from nullalpha.data.bars import Bars, FloatArray  # noqa: E402
from nullalpha.data.instruments import Costs  # noqa: E402
from nullalpha.engines.backtest.execution import priced  # noqa: E402
from nullalpha.engines.backtest.figures import Figures  # noqa: E402
from nullalpha.engines.backtest.population import run_population  # noqa: E402
from nullalpha.engines.backtest.strategy_table import StrategyTable, target_table  # noqa: E402
from nullalpha.engines.features.indicators import INDICATORS  # noqa: E402

SIZE, COMMISSION, CAPITAL = 0.9, 5e-4, 10_000.0
FLAT_BARS = 3
TARGETS_KEPT = 250
MOST_APART = 1e-9


@dataclass(frozen=True)
class Sweep:
    """Strategies on the same bars.

    Attributes:
        targets: (n_targets, n_bars) positions wanted at each close, 0 or SIZE.
        chosen: (n_strategies,) whose targets each trades.
        stop, profit: (n_strategies,) distances as fractions of the close that gives the order.
    """

    bars: Bars
    targets: FloatArray
    chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
    stop: FloatArray
    profit: FloatArray

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def table(self) -> StrategyTable:
        strategies = target_table(len(self))
        strategies["signal"], strategies["stop_fraction"], strategies["target_fraction"] = self.chosen, self.stop, self.profit
        return strategies


@dataclass(frozen=True)
class Growth:
    """Time of one run of the population kernel, the fastest of several; `ns` is nanoseconds a strategy and bar, over all threads."""

    n_strategies: int
    n_bars: int
    n_threads: int
    best_ms: float
    ns: float

    def __str__(self) -> str:
        size = f"{self.n_strategies:,} strategies x {self.n_bars:,} bars, {self.n_threads} thread(s)"
        return f"{size:<60}{self.best_ms:>12.2f} ms{self.ns:>10.2f} ns a strategy and bar"


@dataclass(frozen=True)
class Memory:
    """Peak resident memory (VmHWM) of a process that trades a population, and of one that trades a single strategy by the same code."""

    n_strategies: int
    n_bars: int
    peak_mb: float
    idle_mb: float

    def __str__(self) -> str:
        size = f"{self.n_strategies:,} strategies x {self.n_bars:,} bars"
        return f"{size}: {self.peak_mb:.0f} MB at most, {self.idle_mb:.0f} MB for one strategy"


def random_sweep(bars: Bars, n_strategies: int, n_targets: int, seed: int = 3) -> Sweep:
    """Return strategies on moving averages of 5 to 60 and 70 to 250 bars, with stops of 25 to 35 % and targets of 40 to 90 %."""
    rng = np.random.default_rng(seed)
    averages = {period: INDICATORS["sma"].compute(bars, {"period": period})[0] for period in range(5, 251)}
    fast, slow = rng.integers(5, 61, n_targets), rng.integers(70, 251, n_targets)
    targets = np.empty((n_targets, len(bars)))
    for row, (short, long) in enumerate(zip(fast, slow, strict=True)):
        targets[row] = np.where(averages[int(short)] > averages[int(long)], SIZE, 0.0)
    targets[:, -FLAT_BARS:] = 0.0
    chosen = np.arange(n_strategies) % n_targets
    return Sweep(bars, targets, chosen, rng.uniform(0.25, 0.35, n_strategies), rng.uniform(0.4, 0.9, n_strategies))


def population_candidate(sweep: Sweep, n_threads: int = 1) -> Callable[[], Figures]:
    """Return the kernel's run of a sweep, its costs included."""
    strategies = sweep.table

    def run() -> Figures:
        execution = priced(sweep.bars, Costs(COMMISSION, 0.0, 0.0), "open")
        return run_population(sweep.bars, strategies, sweep.targets, execution, capital=CAPITAL, n_threads=n_threads)

    return run


def measure_population(bars: Bars, n_strategies: int, repeats: int) -> list[Row]:
    """Time a population, each strategy of targets of its own, against vectorbt.

    Raises:
        SystemExit: if figures differ.
    """
    from benchmarks.backtest_population_peers import vectorbt_figures, vectorbt_simulation

    sweep = random_sweep(bars, n_strategies, n_strategies)
    candidates: dict[str, Callable[[], object]] = {
        OURS: population_candidate(sweep),
        "vectorbt with figures": vectorbt_figures(sweep),
        "vectorbt simulation alone": vectorbt_simulation(sweep),
    }
    ours, theirs = population_candidate(sweep)(), vectorbt_figures(sweep)()
    pairs = (
        (theirs.total_return, ours.total_return),
        (theirs.sharpe, ours.sharpe),
        (theirs.max_drawdown, ours.max_drawdown),
        (theirs.n_trades, ours.n_trades),
    )
    apart = max(float(np.abs(other - own).max()) for other, own in pairs)
    if apart > MOST_APART:
        raise SystemExit(f"figures of vectorbt's population differ from nullalpha's by up to {apart:g}")
    name = f"{n_strategies:,} strategies, {len(bars):,} days"
    return in_turn(name, candidates, {OURS: 0.0, "vectorbt with figures": apart, "vectorbt simulation alone": apart}, repeats)


def measure_growth(days: Bars, walk: Bars, n_strategies: int, repeats: int) -> list[Growth]:
    """Time populations of growing size, on more bars, and on more threads."""
    some = walk.slice(0, len(walk) // 10)
    steps = [
        *((random_sweep(days, n, min(n, TARGETS_KEPT)), 1) for n in (n_strategies // 10, n_strategies, 10 * n_strategies)),
        *((random_sweep(bars, n_strategies // 10, 10), 1) for bars in (some, walk)),
        *((random_sweep(days, 10 * n_strategies, TARGETS_KEPT), n_threads) for n_threads in (1, 2)),
    ]
    return [_grown(sweep, n_threads, repeats) for sweep, n_threads in steps]


def _grown(sweep: Sweep, n_threads: int, repeats: int) -> Growth:
    run = population_candidate(sweep, n_threads)
    seconds = []
    for _ in range(min(repeats, 5)):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    best = min(seconds)
    return Growth(len(sweep), len(sweep.bars), n_threads, 1e3 * best, 1e9 * best / (len(sweep) * len(sweep.bars)))


def measure_memory(n_strategies: int) -> Memory:
    """Measure a population's memory in processes of their own; a first one compiles what is not yet, which takes memory too."""
    _, peak, idle = (_peak(count) for count in (1, n_strategies, 1))
    return Memory(n_strategies, int(peak["n_bars"]), peak["mb"], idle["mb"])


def _peak(n_strategies: int) -> dict[str, float]:
    ended = subprocess.run([sys.executable, __file__, str(n_strategies)], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(ended.stdout)
    return told


def main() -> None:
    n_strategies = int(sys.argv[1])
    rng = np.random.default_rng(5)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(5_031)))
    days = np.datetime64("2000-01-01", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    sweep = random_sweep(
        Bars("WALK", "1d", days, close, close, close, close, np.ones(len(close))), n_strategies, min(n_strategies, TARGETS_KEPT)
    )
    population_candidate(sweep)()
    # Not getrusage: its peak survives exec, so it could be that of the process that started this one.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM:"))
    print(json.dumps({"n_bars": len(close), "mb": int(peak.split()[1]) / 1024.0}))


if __name__ == "__main__":
    main()
