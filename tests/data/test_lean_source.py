from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.errors import DataError, NotFoundError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.sources.lean import not_read, read_lean
from nullalpha.data.sources.series import RawSeries

SPY_DAILY = "20140305 00:00,1870000,1879000,1868000,1876000,1000\n20140306 00:00,1878000,1881000,1876000,1880000,1100\n"
FRIDAY = "34200000,1880000,1881000,1879000,1880500,500\n34260000,1880500,1882000,1880000,1881000,600\n"
MONDAY = "34200000,1870000,1871000,1869000,1870500,700\n"
EURUSD_HOUR = "20140309 22:00,1.3870,1.3880,1.3860,1.3875,0,1.3872,1.3884,1.3862,1.3879,0\n"


def put(path: Path, text: str, name: str = "bars.csv") -> Path:
    """Write one CSV into a zip, as LEAN keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    """A data folder with the DST change of 9 March 2014 between its two minute files."""
    root = tmp_path / "Data"
    usa = root / "equity" / "usa"
    put(usa / "daily" / "spy.zip", SPY_DAILY)
    put(usa / "hour" / "spy.zip", "20140306 09:00,1878000,1881000,1876000,1880000,1100\n")
    put(usa / "minute" / "spy" / "20140307_trade.zip", FRIDAY)
    put(usa / "minute" / "spy" / "20140310_trade.zip", MONDAY)
    put(root / "forex" / "oanda" / "hour" / "eurusd.zip", EURUSD_HOUR)
    put(root / "cfd" / "oanda" / "minute" / "xauusd" / "20140501_quote.zip", "60000,1290,1292,1289,1291,0,1290.5,1292.5,1289.5,1291.7,0\n")
    return root


def one(path: Path, **wanted: str) -> RawSeries:
    (series,) = read_lean(path, **wanted)
    return series


def times(series: RawSeries) -> list[str]:
    return [stamp.isoformat() for stamp in series.frame["time"]]


def test_a_folder_yields_every_series_it_holds(lean: Path) -> None:
    found = [(s.instrument.symbol, s.timeframe, s.instrument.kind, len(s.frame)) for s in read_lean(lean)]
    assert found == [
        ("XAUUSD", "1m", "cfd", 1),
        ("SPY", "1d", "equity", 2),
        ("SPY", "1h", "equity", 1),
        ("SPY", "1m", "equity", 3),
        ("EURUSD", "1h", "forex", 1),
    ]


def test_deci_cents_become_prices_and_a_daily_stamp_the_session_date(lean: Path) -> None:
    daily = one(lean, instrument="spy", timeframe="1d")
    assert times(daily) == ["2014-03-05T00:00:00", "2014-03-06T00:00:00"]
    assert daily.frame[["open", "high", "low", "close", "volume"]].to_numpy().tolist() == [
        [187.0, 187.9, 186.8, 187.6, 1000.0],
        [187.8, 188.1, 187.6, 188.0, 1100.0],
    ]
    assert (daily.instrument.calendar, daily.instrument.currency, daily.instrument.distributions) == ("XNYS", "USD", "excluded")


def test_minutes_since_midnight_follow_new_yorks_clocks_over_a_change_to_summer_time(lean: Path) -> None:
    """09:30 is 14:30 UTC on Friday 7 March 2014 and 13:30 UTC on Monday 10 March."""
    minute = one(lean, instrument="SPY", timeframe="1m")
    assert times(minute) == ["2014-03-07T14:30:00+00:00", "2014-03-07T14:31:00+00:00", "2014-03-10T13:30:00+00:00"]
    assert minute.frame["close"].tolist() == [188.05, 188.1, 187.05]
    assert minute.bar_time == "open"


def test_minute_bars_are_known_a_minute_after_their_stamp(lean: Path, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "home")
    bars = catalogue.read(catalogue.ingest(one(lean, instrument="SPY", timeframe="1m")))
    expected = ["2014-03-07T14:31", "2014-03-07T14:32", "2014-03-10T13:31"]
    assert bars.time.tolist() == np.array(expected, "datetime64[ns]").tolist()


def test_quote_bars_keep_the_mid_and_the_spread_at_the_close(lean: Path) -> None:
    """(1.3870 + 1.3872) / 2 = 1.3871; ask close 1.3879 - bid close 1.3875 = 0.0004."""
    hour = one(lean / "forex")
    assert times(hour) == ["2014-03-09T22:00:00+00:00"]
    np.testing.assert_allclose(hour.frame[["open", "high", "low", "close"]].to_numpy(), [[1.3871, 1.3882, 1.3861, 1.3877]], rtol=1e-14)
    np.testing.assert_allclose(hour.frame["spread"], [0.0004], atol=1e-15)
    assert (hour.instrument.calendar, hour.instrument.currency, hour.instrument.sessions_per_year) == ("24/5", "USD", 260)
    gold = one(lean / "cfd" / "oanda" / "minute" / "xauusd" / "20140501_quote.zip")
    assert times(gold) == ["2014-05-01T00:01:00+00:00"]
    np.testing.assert_allclose(gold.frame["spread"], [0.7], atol=1e-12)


def test_trade_bars_take_the_spread_of_quotes_of_the_same_minute(lean: Path) -> None:
    folder = lean / "crypto" / "coinbase" / "minute" / "btcusd"
    put(folder / "20180404_trade.zip", "0,7400.5,7401,7399,7400,1.5\n60000,7400,7405,7400,7404,0.25\n")
    put(folder / "20180404_quote.zip", "60000,7399,7404,7399,7403,1,7400,7406,7400,7405.5,2\n")
    series = one(lean / "crypto")
    assert times(series) == ["2018-04-04T00:00:00+00:00", "2018-04-04T00:01:00+00:00"]
    assert series.frame["close"].tolist() == [7400.0, 7404.0]
    assert series.frame["volume"].tolist() == [1.5, 0.25]
    np.testing.assert_array_equal(series.frame["spread"], [np.nan, 2.5])
    assert (series.instrument.calendar, series.instrument.currency) == ("24/7", "USD")


def test_crypto_days_are_named_by_their_kind(lean: Path) -> None:
    put(lean / "crypto" / "binance" / "daily" / "btcusdt_trade.zip", "20180101 00:00,40.1,45.99,40.05,45.5,209342\n")
    put(lean / "crypto" / "binance" / "daily" / "btcusdt_quote.zip", "20180101 00:00,40,45,40,45,1,40.2,46,40.2,46,1\n")
    series = one(lean / "crypto")
    assert series.instrument.symbol == "BTCUSDT"
    assert series.instrument.currency == "USDT"
    assert series.frame[["close", "spread"]].to_numpy().tolist() == [[45.5, 1.0]]


def test_a_split_and_a_dividend_are_adjusted_for_and_the_factor_kept(lean: Path, tmp_path: Path) -> None:
    """Apple: 7 for 1 before the open of Monday 9 June 2014 (row of Friday the 6th), a dividend on 7 August (row of the 6th)."""
    usa = lean / "equity" / "usa"
    rows = ["20140606 00:00,6490000,6510000,6440000,6450000,700", "20140609 00:00,927000,938800,918000,937000,4900"]
    rows += ["20140806 00:00,947500,955000,946000,949000,100", "20140807 00:00,949000,960000,941000,944000,100"]
    put(usa / "daily" / "aapl.zip", "\n".join(rows))
    write(usa / "factor_files" / "aapl.csv", "19980102,0.9,0.125,1\n20140606,0.98,0.142857,645\n20140806,0.99,1,94.9\n20501231,1,1,0\n")
    raw = one(usa / "daily", instrument="AAPL")
    np.testing.assert_allclose(raw.frame["factor"], [0.98 * 0.142857, 0.99, 0.99, 1.0], rtol=1e-15)
    assert raw.frame["volume"].tolist() == [700, 4900, 100, 100]
    assert raw.frame["close"].tolist() == [645.0, 93.7, 94.9, 94.4]
    assert raw.instrument.distributions == "adjusted"
    catalogue = Catalogue(tmp_path / "home")
    bars = catalogue.read(catalogue.ingest(raw))
    np.testing.assert_allclose(bars.close, [645 * 0.98 * 0.142857, 93.7 * 0.99, 94.9 * 0.99, 94.4], rtol=1e-12)
    assert bars.factor is not None
    np.testing.assert_allclose(bars.close / bars.factor, [645.0, 93.7, 94.9, 94.4], rtol=1e-12)


def test_days_whose_factor_lost_its_digits_are_left_out(lean: Path) -> None:
    write(lean / "equity" / "usa" / "factor_files" / "spy.csv", "20140305,1,1.6e+6\n20501231,1,1\n")
    assert times(one(lean, instrument="SPY", timeframe="1d")) == ["2014-03-06T00:00:00"]


def test_a_ticker_change_joins_the_files_and_leaves_the_rest_of_the_old_ticker_to_its_next_owner(lean: Path) -> None:
    usa = lean / "equity" / "usa"
    put(usa / "daily" / "goocv.zip", "20140401 00:00,5500000,5600000,5400000,5500000,1\n20140402 00:00,5600000,5700000,5500000,5600000,1\n")
    put(usa / "daily" / "goog.zip", "20140402 00:00,1,1,1,1,1\n20140403 00:00,5700000,5800000,5600000,5700000,1\n")
    write(usa / "map_files" / "goog.csv", "20140327,goocv,Q\n20140402,goocv,Q\n20501231,goog,Q\n")
    found = {series.instrument.symbol: series for series in read_lean(usa / "daily")}
    assert sorted(found) == ["GOOG", "SPY"]
    assert times(found["GOOG"]) == ["2014-04-01T00:00:00", "2014-04-02T00:00:00", "2014-04-03T00:00:00"]
    assert found["GOOG"].frame["close"].tolist() == [550.0, 560.0, 570.0]
    with tarfile.open(fileobj=io.BytesIO(found["GOOG"].original)) as archive:
        assert archive.getnames() == ["equity/usa/daily/goocv.zip", "equity/usa/daily/goog.zip", "map_files/goog.csv"]
    with pytest.raises(NotFoundError, match="GOOCV") as caught:
        list(read_lean(usa / "daily", instrument="goocv"))
    assert caught.value.suggestion == "it was the ticker of GOOG"
    put(usa / "daily" / "goocv.zip", "20140402 00:00,5600000,5700000,5500000,5600000,1\n20150105 00:00,10000,10000,10000,10000,1\n")
    later = one(usa / "daily", instrument="GOOCV")
    assert times(later) == ["2015-01-05T00:00:00"]


def test_newer_folders_keep_their_map_and_factor_files_in_dated_archives(lean: Path) -> None:
    usa = lean / "equity" / "usa"
    write(usa / "factor_files" / "readme.md", "")
    put(usa / "factor_files" / "factor_files_20200101.zip", "20501231,0.5,1\n", "spy.csv")
    put(usa / "factor_files" / "factor_files_20210101.zip", "20501231,0.25,1\n", "spy.csv")
    assert one(lean, instrument="SPY", timeframe="1d").frame["factor"].tolist() == [0.25, 0.25]


def test_the_market_hours_database_of_the_folder_says_the_zone_even_with_comments(lean: Path) -> None:
    """17:00 at UTC-05 is 22:00 UTC."""
    put(lean / "forex" / "house" / "hour" / "usdjpy.zip", EURUSD_HOUR.replace("22:00", "17:00"))
    with pytest.raises(DataError, match="time zone of forex/house") as caught:
        list(read_lean(lean / "forex" / "house"))
    assert "market-hours-database.json" in str(caught.value.suggestion)
    entry = json.dumps({"Forex-house-[*]": {"dataTimeZone": "UTC-05"}})
    write(lean / "market-hours" / "market-hours-database.json", f'{{ // a "comment"\n/* more */ "entries": {entry} }}')
    assert times(one(lean / "forex" / "house")) == ["2014-03-09T22:00:00+00:00"]


def test_the_bytes_kept_are_the_files_that_were_read_and_nothing_else(lean: Path) -> None:
    series = one(lean, instrument="SPY", timeframe="1m")
    with tarfile.open(fileobj=io.BytesIO(series.original)) as archive:
        names = archive.getnames()
        assert names == [f"equity/usa/minute/spy/{day}_trade.zip" for day in ("20140307", "20140310")]
        member = archive.extractfile(names[0])
        assert member is not None
        assert member.read() == (lean / names[0]).read_bytes()
    assert one(lean, instrument="SPY", timeframe="1m").sha256 == series.sha256


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ("34200000,1,1,1,1,1\n34260000,1,1,1,1\n", 1, "5 cells where LEAN's rows have 6"),
        ("34200000,1,1,1,1,1\n34260000,1,x,1,1,1\n", 1, "high 'x' is not a number"),
        ("9:30,1,1,1,1,1\n", 0, "'9:30' is no time"),
        ("34200000,1,1,1,1,1\n86400000,1,1,1,1,1\n", 1, "'86400000' is no time"),
        ("34200000,1,1,1,1,1\n\n34260000,1,1,1,1,1\n", 1, "1 cells"),
        (",1,1,1,1,1\n", 0, "'' is no time"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_file_and_row(lean: Path, text: str, row: int, message: str) -> None:
    file = put(lean / "equity" / "usa" / "minute" / "spy" / "20140311_trade.zip", text)
    with pytest.raises(DataError, match=message) as caught:
        one(lean, instrument="SPY", timeframe="1m")
    assert caught.value.path == str(file)
    assert [finding.row for finding in caught.value.findings] == [row]


def test_an_hour_that_the_clocks_skipped_is_refused_by_file_and_row(lean: Path) -> None:
    file = put(lean / "equity" / "usa" / "hour" / "spy.zip", "20140307 10:00,1,1,1,1,1\n20140309 02:00,1,1,1,1,1\n")
    with pytest.raises(DataError, match="2014-03-09T02:00 was skipped") as caught:
        one(lean, instrument="SPY", timeframe="1h")
    assert (caught.value.path, caught.value.findings[0].row) == (str(file), 1)


def test_broken_archives_are_refused_by_name(lean: Path) -> None:
    path = lean / "equity" / "usa" / "daily" / "spy.zip"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"spy\.zip is a broken zip file"):
        one(lean, instrument="SPY", timeframe="1d")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", SPY_DAILY)
        archive.writestr("b.csv", SPY_DAILY)
    with pytest.raises(DataError, match="holds 2 files"):
        one(lean, instrument="SPY", timeframe="1d")
    put(path, "")
    with pytest.raises(DataError, match="holds no bars"):
        one(lean / "equity", timeframe="1d")
    put(lean / "equity" / "usa" / "minute" / "spy" / "140311_trade.zip", MONDAY)
    with pytest.raises(DataError, match="not named as LEAN names its files"):
        read_lean(lean)


def test_a_file_that_cannot_be_opened_is_refused_by_name(lean: Path) -> None:
    (lean / "equity" / "usa" / "daily" / "qqq.zip").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*qqq\.zip: Is a directory"):
        one(lean, instrument="QQQ")


@pytest.mark.parametrize("text", ["20140606,0.98\n", "2014-06-06,1,1\n", "20140606,one,1\n", "20140606,nan,1\n"])
def test_broken_factor_files_are_refused_by_row(lean: Path, text: str) -> None:
    write(lean / "equity" / "usa" / "factor_files" / "spy.csv", "19980102,1,1\n" + text)
    with pytest.raises(DataError, match=r"spy\.csv: row 1") as caught:
        one(lean, instrument="SPY", timeframe="1d")
    assert caught.value.findings[0].row == 1


def test_what_is_not_there_or_not_supported_is_refused_with_the_nearest(lean: Path) -> None:
    with pytest.raises(NotFoundError, match="SPX") as caught:
        read_lean(lean, instrument="spx")
    assert caught.value.suggestion == "did you mean SPY?"
    with pytest.raises(NotFoundError) as caught:
        read_lean(lean / "equity" / "usa" / "dayly")
    assert str(caught.value.suggestion).endswith("daily?")
    with pytest.raises(NotFoundError, match="no 1m bars"):
        read_lean(lean / "forex", timeframe="1m")
    with pytest.raises(DataError, match="5m is none"):
        read_lean(lean, timeframe="5m")
    with pytest.raises(DataError, match="no LEAN data folder"):
        read_lean(lean.parent.parent)
    (lean / "equity" / "usa" / "tick" / "spy").mkdir(parents=True)
    (lean / "option" / "usa").mkdir(parents=True)
    with pytest.raises(DataError, match="second and tick data are not supported"):
        read_lean(lean / "equity" / "usa" / "tick")
    with pytest.raises(DataError, match="option data are not supported"):
        read_lean(lean / "option")
    assert [line.split(":")[0] for line in not_read(lean)] == ["option", "equity/usa/tick"]


def test_daily_bars_that_end_while_their_market_trades_are_left_out_and_said(lean: Path) -> None:
    put(lean / "forex" / "fxcm" / "daily" / "gbpusd.zip", EURUSD_HOUR)
    assert "GBPUSD" not in {series.instrument.symbol for series in read_lean(lean)}
    assert any("forex/fxcm/daily" in line for line in not_read(lean))
    with pytest.raises(DataError, match="Etc/GMT\\+5"):
        read_lean(lean, instrument="GBPUSD")


def test_one_ticker_in_two_markets_is_refused_until_one_is_chosen(lean: Path) -> None:
    put(lean / "forex" / "fxcm" / "hour" / "eurusd.zip", EURUSD_HOUR)
    with pytest.raises(UsageError, match="EURUSD is in both forex/fxcm and forex/oanda"):
        read_lean(lean)
    assert times(one(lean / "forex" / "fxcm")) == ["2014-03-10T03:00:00+00:00"]
