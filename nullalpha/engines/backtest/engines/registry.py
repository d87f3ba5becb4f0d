"""Every engine by name, and the one door through which a backtest reaches it.

To add one: a module with a function `run_backtest` of the native engine's form (`run.run_backtest`), and a line in ENGINES.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from nullalpha.core.errors import NotFoundError, UsageError, nearest
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.engines.capabilities import CAPABILITIES, Capability, needs
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.result import BacktestResult

NATIVE = "nullalpha"
"""The lab's own kernel: every experiment runs on it."""


class RunBacktest(Protocol):
    """What an engine's module offers; see `run.run_backtest`."""

    def __call__(
        self,
        bars: Bars,
        target: FloatArray,
        execution: Execution,
        *,
        entry: EntryOrders | None,
        exits: ExitDistances | None,
        capital: float,
        start_row: int,
        stop_row: int | None,
    ) -> BacktestResult: ...


@dataclass(frozen=True)
class Engine:
    """A named engine.

    Attributes:
        capabilities: what it does by the kernel's rules; whatever else a request needs, it refuses.
        module: holds its `run_backtest`; imported when it is first asked.
        install: the command that installs what it needs; None if nothing.
    """

    name: str
    capabilities: frozenset[Capability]
    module: str
    install: str | None = None


ENGINES: dict[str, Engine] = {
    NATIVE: Engine(NATIVE, frozenset(CAPABILITIES), "nullalpha.engines.backtest.run"),
    "vectorbt": Engine(
        "vectorbt",
        frozenset(
            {
                "fills at the open",
                "fills at the close",
                "stops",
                "targets",
                "trailing stops",
                "exits by time",
                "commission by rate",
                "spread and slippage",
            }
        ),
        "nullalpha.engines.backtest.engines.vectorbt_engine",
        "pip install 'nullalpha[vectorbt]'",
    ),
}


class UnsupportedByEngineError(UsageError):
    """A request needs what the engine that was named has not; `missing` says what."""

    code = "unsupported_by_engine"

    def __init__(self, engine: Engine, missing: tuple[Capability, ...]) -> None:
        able = [other.name for other in ENGINES.values() if other.capabilities.issuperset(missing)]
        super().__init__(
            f"the engine {engine.name} has no {', no '.join(missing)}, which this backtest needs",
            path="--engine",
            value=engine.name,
            suggestion=f"use --engine {able[0]}, which has" if able else "leave out what no engine has",
        )
        self.missing = missing


def engine_named(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        NotFoundError: if there is none; suggests the nearest.
    """
    if name in ENGINES:
        return ENGINES[name]
    near = nearest(name, tuple(ENGINES))
    raise NotFoundError(
        f"there is no engine {name!r}",
        path="--engine",
        value=name,
        suggestion=f"did you mean {near}?" if near else f"there are {', '.join(ENGINES)}",
    )


def require(engine: Engine, asked: Iterable[Capability]) -> None:
    """Refuse what an engine has not declared.

    Raises:
        UnsupportedByEngineError: naming all that is missing, and an engine that has it.
    """
    missing = tuple(capability for capability in asked if capability not in engine.capabilities)
    if missing:
        raise UnsupportedByEngineError(engine, missing)


def run_on(
    name: str,
    bars: Bars,
    target: FloatArray,
    execution: Execution,
    *,
    entry: EntryOrders | None = None,
    exits: ExitDistances | None = None,
    capital: float = 1.0,
    start_row: int = 0,
    stop_row: int | None = None,
) -> BacktestResult:
    """Run a backtest on the engine of a name; the other arguments, and errors besides, as of `run.run_backtest`.

    Raises:
        NotFoundError: if there is no such engine.
        UnsupportedByEngineError: if it cannot do what the request needs.
        UsageError: if what it needs is not installed.
    """
    engine, rows = engine_named(name), slice(start_row, stop_row)
    sides = bool((target[rows] > 0.0).any()), bool((target[rows] < 0.0).any())
    require(engine, needs(execution, entry, exits, rows, sides=sides))
    return load(engine)(bars, target, execution, entry=entry, exits=exits, capital=capital, start_row=start_row, stop_row=stop_row)


def load(engine: Engine) -> RunBacktest:
    """Return an engine's function.

    Raises:
        UsageError: if its package cannot be imported.
    """
    try:
        return cast(RunBacktest, import_module(engine.module).run_backtest)
    except ImportError as error:
        if engine.install is None or (error.name or "").split(".")[0] == "nullalpha":
            raise
        raise UsageError(
            f"the engine {engine.name} needs a package that cannot be imported: {error.msg}",
            path="--engine",
            value=engine.name,
            suggestion=engine.install,
        ) from error
