"""An instrument that could not be traded so is refused where it is described."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from nullalpha.core.errors import UsageError
from nullalpha.data.instruments import COST_HINTS, COST_RANGES, Costs, Instrument

FREE = Costs(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("costs", "named"),
    [
        ((-1.0, 0.0, 0.0), "commission"),
        ((0.5, 0.0, 0.0), "commission"),
        ((math.nan, 0.0, 0.0), "commission"),
        ((0.0, -0.1, 0.0), "half_spread_bps"),
        ((0.0, math.inf, 0.0), "half_spread_bps"),
        ((0.0, 0.0, 6000.0), "slippage_bps"),
    ],
)
def test_a_cost_that_pays_or_takes_all_is_refused_by_name(costs: tuple[float, float, float], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        Costs(*costs)
    assert caught.value.path == named
    assert caught.value.suggestion is not None


@pytest.mark.parametrize("name", sorted(COST_RANGES))
def test_every_cost_has_a_range_and_its_refusal_says_what_the_number_is(name: str) -> None:
    least, most = COST_RANGES[name]
    for value in (least, most):
        assert getattr(replace(FREE, **{name: value}), name) == value
    for value in (least - 0.01, most * 1.01 + 0.01, math.nan):
        with pytest.raises(UsageError, match=f"{name} is") as caught:
            replace(FREE, **{name: value})
        assert (caught.value.path, caught.value.suggestion) == (name, COST_HINTS[name])


def test_a_spread_is_fixed_or_quoted() -> None:
    assert replace(FREE, spread="quoted").spread == "quoted"
    with pytest.raises(UsageError, match="spread is 'qouted'") as caught:
        Costs(0.0, 0.0, 0.0, spread="qouted")  # type: ignore[arg-type]
    assert (caught.value.path, caught.value.suggestion) == ("spread", "use quoted")


def test_every_cost_but_the_word_is_a_number_with_a_hint() -> None:
    assert set(COST_RANGES) == set(COST_HINTS) == {field.name for field in fields(Costs)} - {"spread"}


@pytest.mark.parametrize("symbol", ["", "spx", "A B", "A/../B", "-X", "X" * 21])
def test_a_symbol_that_is_no_name_is_refused(symbol: str) -> None:
    with pytest.raises(UsageError, match="no symbol"):
        Instrument(symbol, "A fund", "XNYS", "USD", "open", 252, FREE, "csv")


@pytest.mark.parametrize("symbol", ["SPX", "BRK.B", "^GSPC", "EURUSD=X", "ES_F", "7203.T"])
def test_symbols_as_vendors_write_them_are_taken(symbol: str) -> None:
    assert Instrument(symbol, "A fund", "XNYS", "USD", "open", 252, FREE, "csv").symbol == symbol


@pytest.mark.parametrize("sessions", [0, -1, 367])
def test_a_year_has_one_to_366_sessions(sessions: int) -> None:
    with pytest.raises(UsageError, match="sessions_per_year"):
        Instrument("X", "A fund", "XNYS", "USD", "open", sessions, FREE, "csv")
