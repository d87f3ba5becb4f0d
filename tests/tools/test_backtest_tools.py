"""Running and reading backtests through the door: files stay under the caller's root, and what was never computed is said to be so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nullalpha.app.lab import Lab
from nullalpha.core.campaign import SIGNAL
from nullalpha.core.errors import NotFoundError, RefusedError, SealedZoneError, UsageError
from nullalpha.tools.door import ArgumentsError, ToolDoor
from tests.support.ledger_state import design, put_campaign

Doors = Callable[[bool], ToolDoor]
RULES = """
nullalpha: 1
name: dips
hypothesis: Dips are bought.
instruments: [SPX]
timeframe: 1d
features: {rsi: {indicator: rsi, period: 5}}
sets: {rsi: {low: {gaussian: [25, 8]}}}
model: {kind: rules, rules: [if rsi is low then long 1.0]}
decision: {long_above: 0.2}
"""


def test_an_agents_signal_lies_under_its_own_root(door: Doors, lab: Lab) -> None:
    agent = door(False)
    outside = lab.home / "elsewhere.parquet"
    outside.write_bytes(b"")
    for path in (str(outside), "../elsewhere.parquet", "/etc/passwd"):
        with pytest.raises(RefusedError, match="lies outside"):
            agent.call("signal_backtest", {"path": path, "instrument": "SPX"})
    assert lab.stores.campaigns.all() == []


def test_agents_are_held_to_the_search_zone_and_to_known_engines(door: Doors, lab: Lab) -> None:
    agent = door(False)
    with pytest.raises(SealedZoneError, match="promotion alone reads further"):
        agent.call("strategy_backtest", {"document": RULES, "to_date": "2015-01-01"})
    with pytest.raises(UsageError, match="does not lie in the search zone"):
        agent.call("strategy_backtest", {"document": RULES, "from_date": "2015-01-01"})
    with pytest.raises(NotFoundError, match="no engine 'nautilus'"):
        agent.call("strategy_backtest", {"document": RULES, "engine": "nautilus"})
    with pytest.raises(NotFoundError, match="'SPY'"):
        agent.call("strategy_backtest", {"document": RULES, "instruments": ["SPY"]})
    with pytest.raises(ArgumentsError):
        agent.call("strategy_backtest", {"document": RULES, "instruments": []})
    assert lab.stores.campaigns.all() == []


def test_trades_of_what_was_never_computed_are_not_there(door: Doors, lab: Lab) -> None:
    put_campaign(lab.stores)
    lab.stores.experiments.register([design("e-1", slot=1), design("e-2", slot=2)])
    lab.stores.experiments.put_result("e-2", "search", "failed", {"error": {"code": "training_diverged"}}, "o-2")
    reader = door(True)
    for experiment in ("e-1", "e-2"):
        with pytest.raises(NotFoundError, match="has no orders: nothing of it was computed"):
            reader.call("experiment_trades", {"id": experiment})


def test_a_signal_without_a_result_is_shown_as_a_signal(door: Doors, lab: Lab) -> None:
    put_campaign(lab.stores)
    facts = {"signal": "5" * 64, "rows": 3, "rows_beyond": 0}
    lab.stores.experiments.register([design("e-1", slot=1, designer=SIGNAL, document=None, registration=None, parameters=facts)])
    shown = door(True).call("experiment_get", {"id": "e-1"}).model_dump(mode="json")
    assert (shown["experiment"]["kind"], shown["experiment"]["status"], shown["costs"], shown["n_bars"]) == (
        "signal",
        "designed",
        None,
        None,
    )
    assert shown["signal"] == {"sha256": "5" * 64, "rows": 3, "rows_beyond": 0}
