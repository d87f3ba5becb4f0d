from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.futures import as_traded, continuous
from nullalpha.data.futures_rolls import Contract, RollRule, parse_rule
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.futures_file import read_futures

CRUDE = Instrument("CL", "Crude oil", "XNYS", "USD", "close", 252, Costs(0.0001, 1.0, 1.0), "futures", kind="future", multiplier=1000.0)
VOLUME = RollRule("volume")

# March 2024: Mon 4 to Tue 12, sessions of the New York Stock Exchange. The first contract expires on Mon 11.
ROWS = """contract,expiry,time,open,high,low,close,volume,open_interest
CLH4,2024-03-11,2024-03-04,99,101,98,100,900,500
CLM4,2024-06-11,2024-03-04,109,111,108,110,100,400
CLH4,2024-03-11,2024-03-05,100,104,99,102,800,450
CLM4,2024-06-11,2024-03-05,110,114,109,112,300,600
CLH4,2024-03-11,2024-03-06,102,105,101,104,400,300
CLM4,2024-06-11,2024-03-06,112,115,111,114,600,700
CLH4,2024-03-11,2024-03-07,104,108,103,106,200,200
CLM4,2024-06-11,2024-03-07,114,120,113,119,900,900
CLH4,2024-03-11,2024-03-08,106,109,105,107,100,100
CLM4,2024-06-11,2024-03-08,119,123,118,121,990,950
CLM4,2024-06-11,2024-03-12,121,124,120,123,995,960
"""


def contract(symbol: str, expiry: str, first: str, closes: list[float], volume: list[float] | None = None) -> Contract:
    """One contract whose bars lie on consecutive days."""
    close = np.array(closes)
    time = np.arange(np.datetime64(first, "D"), np.datetime64(first, "D") + np.timedelta64(len(close), "D")).astype("datetime64[ns]")
    volumes = np.array(volume if volume is not None else np.full(len(close), np.nan))
    return Contract(symbol, np.datetime64(expiry, "D"), Bars("CL", "1d", time, close, close * 1.01, close * 0.99, close, volumes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crude.csv"
    path.write_text(ROWS)
    return path


def test_volume_that_crosses_on_wednesday_rolls_at_thursdays_close(file: Path) -> None:
    """Wednesday 6 March: 600 > 400. Thursday's closes are 106 and 119, so what came before is multiplied by 119 / 106."""
    found = read_futures(file, CRUDE, "1d", VOLUME)
    (roll,) = found.rolls
    assert (str(roll.time)[:10], roll.from_contract, roll.to_contract) == ("2024-03-07", "CLH4", "CLM4")
    assert (roll.old_price, roll.new_price) == (106.0, 119.0)
    bars = found.continuous.bars
    ratio = 119 / 106
    np.testing.assert_allclose(bars.close, [100 * ratio, 102 * ratio, 104 * ratio, 119, 121, 123], rtol=1e-15)
    np.testing.assert_allclose(bars.low, [98 * ratio, 99 * ratio, 101 * ratio, 103 * ratio, 118, 120], rtol=1e-15)
    np.testing.assert_array_equal(bars.volume, [900, 800, 400, 200, 990, 995])
    assert [found.continuous.symbols[place] for place in found.continuous.contract] == ["CLH4"] * 4 + ["CLM4"] * 2


def test_returns_over_the_roll_are_those_of_the_contract_that_was_held(file: Path) -> None:
    """Thursday over Wednesday is the old contract's 106 / 104, Friday over Thursday the new one's 121 / 119."""
    close = read_futures(file, CRUDE, "1d", VOLUME).continuous.bars.close
    np.testing.assert_allclose(close[1:] / close[:-1], [102 / 100, 104 / 102, 106 / 104, 121 / 119, 123 / 121], rtol=1e-14)


def test_the_catalogue_keeps_the_factor_so_that_prices_as_traded_come_back(file: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "data")
    snapshot = catalogue.ingest(read_futures(file, CRUDE, "1d", VOLUME).series)
    bars = catalogue.read(snapshot)
    np.testing.assert_allclose(as_traded(bars).close, [100, 102, 104, 106, 121, 123], rtol=1e-14)
    np.testing.assert_allclose(as_traded(bars).open, [99, 100, 102, 104, 119, 121], rtol=1e-14)
    traded = as_traded(bars)
    assert as_traded(traded) is traded
    assert snapshot.derived_from is not None
    assert snapshot.derived_from.recipe == '{"adjustment":"ratio","contracts":["CLH4","CLM4"],"days":null,"roll":"volume"}'


def test_money_made_over_a_roll_is_what_holding_and_rolling_the_contracts_makes(file: Path) -> None:
    """10,000 buy 100 of the old at 100; at 106 they are 10,600, which buy 10,600 / 119 of the new; at 123 that is 10,956.30."""
    bars = read_futures(file, CRUDE, "1d", VOLUME).continuous.bars
    by_hand = 10_000 / 100 * 106 / 119 * 123
    assert by_hand == pytest.approx(10956.3025, abs=1e-4)
    assert 10_000 * bars.close[-1] / bars.close[0] == pytest.approx(by_hand, rel=1e-14)
    traded = as_traded(bars)
    naive = 10_000 * traded.close[-1] / traded.close[0]
    assert naive == pytest.approx(12_300)  # unadjusted prices would have counted the jump of the roll as a gain


def test_open_interest_and_days_roll_by_their_own_clocks(file: Path) -> None:
    """Open interest crosses on Tuesday (600 > 450); five days are left on Wednesday 6 March, three on Friday 8 March, its last close."""
    by_interest = read_futures(file, CRUDE, "1d", RollRule("open_interest")).rolls
    by_five_days = read_futures(file, CRUDE, "1d", parse_rule("days:5")).rolls
    by_three_days = read_futures(file, CRUDE, "1d", parse_rule("days:3")).rolls
    assert [str(rolls[0].time)[:10] for rolls in (by_interest, by_five_days, by_three_days)] == ["2024-03-06", "2024-03-07", "2024-03-08"]
    assert (by_three_days[0].old_price, by_three_days[0].new_price) == (107.0, 121.0)


def test_a_contract_that_no_rule_leaves_is_left_at_its_last_shared_close(file: Path) -> None:
    quiet = (
        file.read_text().replace("600,700", "1,700").replace("900,900", "1,900").replace("990,950", "1,950").replace(",300,600", ",1,600")
    )
    file.write_text(quiet)
    (roll,) = read_futures(file, CRUDE, "1d", VOLUME).rolls
    assert str(roll.time)[:10] == "2024-03-08"


def test_the_last_contract_is_held_to_the_end_though_later_ones_trade() -> None:
    near = contract("A", "2024-03-31", "2024-03-01", [10.0, 11.0, 12.0], [9, 9, 9])
    far = contract("B", "2024-06-30", "2024-03-01", [20.0, 21.0, 22.0], [1, 1, 1])
    series = continuous([far, near], VOLUME)
    assert (series.rolls, series.symbols) == ((), ("A",))
    np.testing.assert_array_equal(series.bars.factor, [1.0, 1.0, 1.0])


def test_a_thin_month_is_skipped_by_volume_and_not_by_days() -> None:
    first = contract("A", "2024-03-05", "2024-03-01", [10.0, 11.0, 12.0, 13.0], [9, 2, 2, 1])
    thin = contract("B", "2024-04-05", "2024-03-01", [20.0, 21.0, 22.0, 23.0, 24.0], [1, 1, 1, 1, 1])
    liquid = contract("C", "2024-06-05", "2024-03-01", [40.0, 42.0, 44.0, 46.0, 48.0], [5, 6, 7, 8, 9])
    assert continuous([first, thin, liquid], VOLUME).symbols == ("A", "C")
    assert continuous([first, thin, liquid], RollRule("days", 4)).symbols == ("A", "B")


def test_intraday_contracts_roll_by_the_volume_of_whole_days_at_the_next_days_first_close() -> None:
    """Day 1 trades 10 + 10 against 1 + 15: no cross, though the last hour alone would say so. Day 2 does; day 3 starts with the roll."""
    time = np.array([f"2024-03-0{day}T{hour}" for day in (4, 5, 6) for hour in (15, 16)], "datetime64[ns]")

    def hourly(symbol: str, expiry: str, price: float, volume: list[float]) -> Contract:
        flat = np.full(6, price)
        return Contract(symbol, np.datetime64(expiry, "D"), Bars("CL", "1h", time, flat, flat, flat, flat, np.array(volume)))

    near = hourly("A", "2024-03-20", 100.0, [10.0, 10.0, 5.0, 5.0, 1.0, 1.0])
    far = hourly("B", "2024-06-20", 110.0, [1.0, 15.0, 8.0, 8.0, 9.0, 9.0])
    (roll,) = continuous([near, far], VOLUME).rolls
    assert str(roll.time) == "2024-03-06T15:00:00.000000000"


def test_adjustment_by_difference_keeps_gains_in_points(file: Path) -> None:
    """119 - 106 = 13 is added before the roll; in points 1 contract makes 106 - 100 and then 123 - 119: 10 in all."""
    found = read_futures(file, CRUDE, "1d", VOLUME, "difference")
    bars = found.continuous.bars
    np.testing.assert_array_equal(bars.close, [113, 115, 117, 119, 121, 123])
    assert bars.close[-1] - bars.close[0] == (106 - 100) + (123 - 119)
    assert bars.factor is None
    assert "factor" not in found.series.frame


def test_adjustment_by_difference_below_nothing_is_refused() -> None:
    near = contract("A", "2024-03-05", "2024-03-01", [10.0, 12.0, 80.0, 90.0])
    far = contract("B", "2024-06-05", "2024-03-03", [60.0, 65.0, 66.0])
    with pytest.raises(DataError, match="not above 0") as caught:
        continuous([near, far], RollRule("days", 2), "difference")
    assert "ratio" in str(caught.value.suggestion)


@pytest.mark.parametrize("text", ["days", "days:", "days:-1", "days:1000", "volume:3", "turnover", ""])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no rule for rolling futures"):
        parse_rule(text)
    assert parse_rule("Volume") == VOLUME
    assert parse_rule("days:0") == RollRule("days", 0)


def test_contracts_that_cannot_be_joined_are_refused_by_name() -> None:
    near = contract("A", "2024-03-05", "2024-03-01", [10.0, 11.0])
    with pytest.raises(DataError, match="A shares no close with a later one"):
        continuous([near, contract("B", "2024-06-05", "2024-03-10", [10.0, 11.0])], RollRule("days", 5))
    with pytest.raises(DataError, match="A and B expire on the same day"):
        continuous([near, contract("B", "2024-03-05", "2024-03-01", [10.0])], VOLUME)
    with pytest.raises(DataError, match="A has a bar on 2024-03-02, after it expired"):
        continuous([contract("A", "2024-03-01", "2024-03-01", [10.0, 11.0])], VOLUME)
    with pytest.raises(DataError, match="A has no volume to roll by"):
        continuous([near, contract("B", "2024-06-05", "2024-03-01", [10.0])], VOLUME)
    with pytest.raises(DataError, match="no contracts"):
        continuous([], VOLUME)


@pytest.mark.parametrize(
    ("old", "new", "code", "row"),
    [
        ("2024-03-06,102,105,101,104,400", "2024-03-06,102,103,101,104,400", "inconsistent_high", 4),
        ("2024-03-06,102,105,101,104,400", "2024-03-06,102,x,101,104,400", "not_a_number", 4),
        ("CLH4,2024-03-11,2024-03-06", "CLH4,2024-03-11,2024-03-05", "duplicate_time", 4),
        ("CLH4,2024-03-11,2024-03-06", "CLH4,2024-03-12,2024-03-06", "other_expiry", 4),
        ("CLH4,2024-03-11,2024-03-06", "CLH4,March,2024-03-06", "unreadable_time", 4),
        ("CLH4,2024-03-11,2024-03-06", ",2024-03-11,2024-03-06", "missing_contract", 4),
        (",400,300", ",400,-3", "not_a_number", 4),
    ],
)
def test_every_wrong_row_of_any_contract_is_named_by_its_row_in_the_file(file: Path, old: str, new: str, code: str, row: int) -> None:
    file.write_text(ROWS.replace(old, new))
    with pytest.raises(DataError) as caught:
        read_futures(file, CRUDE, "1d", VOLUME)
    assert (code, row) in [(finding.code, finding.row) for finding in caught.value.findings if finding.severity == "error"]


def test_a_file_without_contracts_or_prices_is_refused(file: Path) -> None:
    file.write_text("time,open,high,low,close\n2024-03-04,1,1,1,1\n")
    with pytest.raises(DataError, match="no column 'contract'"):
        read_futures(file, CRUDE, "1d", VOLUME)
    file.write_text("contract,expiry,time\nA,2024-03-04,2024-03-04\n")
    with pytest.raises(DataError, match="no column 'open'"):
        read_futures(file, CRUDE, "1d", VOLUME)


def test_parquet_reads_the_same(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "crude.parquet"
    pd.read_csv(file, parse_dates=["expiry", "time"]).to_parquet(packed)
    plain, parquet = (read_futures(path, CRUDE, "1d", VOLUME) for path in (file, packed))
    pd.testing.assert_frame_equal(parquet.series.frame, plain.series.frame, check_dtype=False)
    assert parquet.rolls == plain.rolls


@settings(deadline=None, max_examples=60)
@given(
    closes=st.lists(st.lists(st.floats(1.0, 1000.0), min_size=8, max_size=8), min_size=2, max_size=5),
    days=st.integers(0, 4),
)
def test_the_value_of_any_chain_of_rolls_is_that_of_holding_each_contract_in_turn(closes: list[list[float]], days: int) -> None:
    """Contracts start 4 days apart and trade 8 days; the last one's prices stay as traded."""
    start = np.datetime64("2024-01-01", "D")
    contracts = [
        contract(f"C{k}", str(start + np.timedelta64(4 * k + 7, "D")), str(start + np.timedelta64(4 * k, "D")), series)
        for k, series in enumerate(closes)
    ]
    joined = continuous(contracts, RollRule("days", days))
    value, rolls = 1.0, list(joined.rolls)
    bought = contracts[0].bars.close[0]
    for roll in rolls:
        value *= roll.old_price / bought
        bought = roll.new_price
    value *= contracts[-1].bars.close[-1] / bought
    assert [roll.to_contract for roll in rolls] == [f"C{k}" for k in range(1, len(closes))]
    np.testing.assert_allclose(joined.bars.close[-1] / joined.bars.close[0], value, rtol=1e-9)
    np.testing.assert_allclose(as_traded(joined.bars).close[-1], closes[-1][-1], rtol=1e-12)
    assert (np.diff(joined.bars.time.astype(np.int64)) > 0).all()
