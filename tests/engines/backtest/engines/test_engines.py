"""Engines by name: what each declares, what is refused and how, and what importing the door brings along."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nullalpha.core.errors import DataError, InsufficientBarsError, NotFoundError, UsageError
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.engines.capabilities import CAPABILITIES, needs
from nullalpha.engines.backtest.engines.registry import ENGINES, NATIVE, UnsupportedByEngineError, engine_named, require, run_on
from nullalpha.engines.backtest.execution import CashRates, Execution, priced
from nullalpha.engines.backtest.kernel import LOT, TICK
from nullalpha.engines.backtest.run import run_backtest

FREE = Costs(0, 0, 0)
N = 6


@pytest.fixture
def bars(make_bars) -> Bars:
    made = make_bars([100.0, 102.0, 101.0, 105.0, 103.0, 104.0], [100.0, 101.0, 102.0, 101.5, 104.0, 103.5])
    return Bars(made.instrument, "1d", made.time, made.open, made.high, made.low, made.close, np.full(N, 1000.0))


def target() -> np.ndarray:
    return np.array([0.5, 0.5, -0.5, -0.5, 0.0, 0.0])


def with_rate(execution: Execution, column: int, value: float) -> Execution:
    rates = execution.rates.copy()
    rates[:, column] = value
    return Execution(execution.fill_basis, execution.commission, execution.least_commission, rates)


def refused_requests(bars: Bars) -> dict[str, dict[str, object]]:
    """Return, by capability, a request that needs it and which vectorbt has not."""
    distance = np.ones(N)
    plain = priced(bars, FREE, "open")
    return {
        "limit entries": {"execution": plain, "entry": EntryOrders("limit", distance)},
        "stop entries": {"execution": plain, "entry": EntryOrders("stop", distance)},
        "stop-limit entries": {"execution": plain, "entry": EntryOrders("stop_limit", distance, distance)},
        "commission by unit": {"execution": priced(bars, Costs(0, 0, 0, commission_per_unit=0.01), "open")},
        "least commission": {"execution": priced(bars, Costs(0, 0, 0, commission_minimum=1.0), "open")},
        "impact": {"execution": with_rate(plain, 1, 0.01)},
        "ticks": {"execution": with_rate(plain, TICK, 0.25)},
        "lots": {"execution": with_rate(plain, LOT, 1.0)},
        "volume caps": {"execution": priced(bars, Costs(0, 0, 0, volume_cap=0.1), "open")},
        "carry": {"execution": priced(bars, Costs(0, 0, 0, borrow=0.03), "open")},
        "cash interest": {"execution": priced(bars, FREE, "open", CashRates(interest=0.03))},
        "dividends": {"execution": plain.with_events(payout=np.array([0, 0, 0.5, 0, 0, 0]))},
        "splits": {"execution": plain.with_events(split=np.array([1.0, 1, 2, 1, 1, 1]))},
    }


def test_whatever_vectorbt_has_not_declared_is_refused_by_name_with_the_engine_that_has_it(bars: Bars) -> None:
    requests = refused_requests(bars)
    beyond_one_instrument = {"portfolios", "populations"}
    assert set(requests) == set(CAPABILITIES) - ENGINES["vectorbt"].capabilities - beyond_one_instrument
    for capability, request in requests.items():
        with pytest.raises(UnsupportedByEngineError, match=f"vectorbt has no {capability}, which") as refused:
            run_on("vectorbt", bars, target(), **request)
        assert refused.value.missing == (capability,)
        assert (refused.value.code, refused.value.exit_code) == ("unsupported_by_engine", 2)
        assert refused.value.suggestion == "use --engine nullalpha, which has"
        assert run_on(NATIVE, bars, target(), **request).position[1] >= 0.0


def test_all_that_is_missing_is_named_at_once(bars: Bars) -> None:
    execution = priced(bars, Costs(0, 0, 0, commission_minimum=1.0, borrow=0.03), "open")
    with pytest.raises(UnsupportedByEngineError, match="vectorbt has no least commission, no carry, which"):
        run_on("vectorbt", bars, target(), execution)
    with pytest.raises(UnsupportedByEngineError, match="no portfolios"):
        require(engine_named("vectorbt"), ("fills at the open", "portfolios"))


def test_only_the_rows_that_are_traded_need_anything(bars: Bars) -> None:
    execution = priced(bars, FREE, "open").with_events(split=np.array([1.0, 1, 2, 1, 1, 1]))
    assert needs(execution, None, None, slice(0, N)) == ("fills at the open", "splits")
    assert needs(execution, None, None, slice(3, N)) == ("fills at the open",)
    exits = ExitDistances(np.array([1.0, 0, 0, 0, 0, 0]), np.full(N, np.nan), 3, np.ones(N))
    assert needs(execution, None, exits, slice(0, 2)) == ("fills at the open", "stops", "trailing stops", "exits by time")
    assert needs(execution, None, exits, slice(1, 2)) == ("fills at the open", "trailing stops", "exits by time")


def test_the_native_engine_behind_the_door_is_the_kernel_itself(bars: Bars) -> None:
    execution = priced(bars, Costs(1e-3, 5, 5), "open")
    np.testing.assert_array_equal(run_on(NATIVE, bars, target(), execution).equity, run_backtest(bars, target(), execution).equity)


def test_vectorbt_gives_the_account_worked_by_hand(bars: Bars) -> None:
    """1,000 of capital, 0.1 % commission, half of equity long from the open of row 1, short from that of row 3, flat at that of row 5.

    Row 1: 500 / 101 = 4.950495 units at 101 (500.00) cost 0.50: cash 499.50; at 102 worth 504.950495, equity 1,004.450495.
    Row 3: at 101.5 equity is 499.50 + 502.475248 = 1,001.975248, so -500.987624 / 101.5 = -4.935839 units are wanted: 4.950495 sold for
    502.475248 less 0.502475, then 4.935839 sold for 500.987624 less 0.500988: cash 1,501.959408; at 105 equity 983.696431.
    Row 5: bought back at 103.5 for 510.859229 and 0.510859: 990.589320 remain.
    """
    execution = priced(bars, Costs(1e-3, 0, 0), "open")
    result = run_on("vectorbt", bars, target(), execution, capital=1000.0)
    np.testing.assert_allclose(result.equity[[0, 1, 3, 5]], [1000.0, 1004.450495, 983.696431, 990.589320], atol=1e-6)
    assert [(fill.row, round(fill.units, 6), fill.price) for fill in result.fills] == [
        (1, 4.950495, 101.0),
        (3, -4.950495, 101.5),
        (3, -4.935839, 101.5),
        (5, 4.935839, 103.5),
    ]
    np.testing.assert_allclose(result.equity, result.cash + result.position * bars.close, rtol=1e-12)
    assert len(result.trades) == 2


def test_bad_input_is_refused_alike_by_every_engine(bars: Bars) -> None:
    execution = priced(bars, FREE, "open")
    for name in ENGINES:
        with pytest.raises(DataError, match="target of row 2 is not finite"):
            run_on(name, bars, np.where(np.arange(N) == 2, np.nan, 0.5), execution)
        with pytest.raises(UsageError, match="capital must be a positive number"):
            run_on(name, bars, target(), execution, capital=0.0)
        with pytest.raises(InsufficientBarsError):
            run_on(name, bars, target(), execution, start_row=3, stop_row=3)


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(NotFoundError, match="no engine 'vectorbot'") as refused:
        engine_named("vectorbot")
    assert refused.value.suggestion == "did you mean vectorbt?"


def in_a_process_of_its_own(code: str) -> str:
    """Return what the code prints; numpy as np, one bar's worth of arguments as `ask(name)`."""
    prelude = """
import sys
import numpy as np
from nullalpha.core.errors import UsageError
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.engines.registry import run_on
from nullalpha.engines.backtest.execution import priced
time = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
bars = Bars("X", "1d", time, *[np.array([100.0, 101.0, 102.0])] * 4, np.zeros(3))
ask = lambda name: run_on(name, bars, np.ones(3), priced(bars, Costs(0, 0, 0), "close"))
"""
    return subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, check=True).stdout


def test_a_backtest_of_the_lab_s_own_imports_neither_vectorbt_nor_pandas() -> None:
    assert (
        in_a_process_of_its_own("ask('nullalpha'); print([name in sys.modules for name in ('vectorbt', 'pandas')])") == "[False, False]\n"
    )


@pytest.mark.parametrize("package", ["vectorbt", "vectorbt_rust"])
def test_without_its_package_vectorbt_says_how_to_install_it(package: str) -> None:
    """None in sys.modules is how Python itself marks a module that cannot be imported."""
    code = f"""
sys.modules["{package}"] = None
try:
    ask("vectorbt")
except UsageError as error:
    print(error.suggestion, "|", error.message)
"""
    said = in_a_process_of_its_own(code)
    assert said.startswith("pip install 'nullalpha[vectorbt]' | the engine vectorbt needs a package that cannot be imported")
    assert package in said


def test_vectorbt_speaks_to_no_one() -> None:
    """Every connection and name lookup of a process that imports vectorbt and runs a backtest with it, as Python audits them: none."""
    code = """
spoken = []
sys.addaudithook(lambda event, args: spoken.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
print(round(float(ask("vectorbt").equity[-1]), 6), spoken)
"""
    assert in_a_process_of_its_own(code) == "1.009901 []\n"
