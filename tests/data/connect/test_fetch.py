from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nullalpha.core.errors import ArtifactError, RefusedError, SettingsError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import (
    SOURCE_NAMES,
    AlpacaConfig,
    CcxtConfig,
    ConnectConfig,
    Credentials,
    FredConfig,
    YfinanceConfig,
    scrubbed,
)
from nullalpha.data.connect.fetch import PACKAGES, FetchRequest, fetch
from nullalpha.data.connect.received import read_table, table_bytes
from nullalpha.data.connect.retry import Patience
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.series import RawSeries
from tests.support.recorded_service import Answer, recorded_service
from tests.support.timekeeper import NOW

ALPACA = {"NULLALPHA_ALPACA_KEY": "k", "NULLALPHA_ALPACA_SECRET": "s"}
BAR = {"t": "2024-01-09T05:00:00Z", "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 100, "n": 5, "vw": 10.2}


@pytest.mark.parametrize(
    ("source", "request_", "text", "fix"),
    [
        ("yahoo", FetchRequest("AAPL"), "there is no source 'yahoo'", "yfinance"),
        ("alpaca", FetchRequest("AAPL", start="2024-13-01"), "start '2024-13-01' is no ISO date or time", "2020-01-31"),
        ("alpaca", FetchRequest("AAPL", start="2024-02-01", end="2024-01-01"), "is not before the end", "earlier"),
        ("alpaca", FetchRequest("AAPL", start="2030-01-01"), "is not before the end", "earlier"),
        ("alpaca", FetchRequest("AAPL", "1y"), "unknown timeframe '1y'", "1d"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_a_fix(
    source: str, request_: FetchRequest, text: str, fix: str, catalogue: Catalogue
) -> None:
    with pytest.raises(UsageError, match=text) as error:
        fetch(source, request_, catalogue, now=NOW, variables=ALPACA)
    assert fix in str(error.value.suggestion)


@pytest.mark.parametrize("source", SOURCE_NAMES)
def test_a_package_that_is_not_installed_is_named_with_the_extra(source: str) -> None:
    """In a process of its own, in which the client's package cannot be found."""
    package = {"alpaca": "alpaca", "fred": "fredapi", "cftc": "sodapy"}.get(source, source)
    script = f"""
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from datetime import UTC, datetime
from pathlib import Path
from nullalpha.core.errors import UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.fetch import FetchRequest, fetch
try:
    fetch({source!r}, FetchRequest("X"), Catalogue(Path("nowhere")), now=datetime.now(UTC))
except UsageError as error:
    print(error.message, error.suggestion, sep="|")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=True)
    message, suggestion = ended.stdout.strip().split("|")
    assert f"fetching from {source} needs the package {PACKAGES[source]}" in message
    assert suggestion == "pip install nullalpha[connect]"


def test_importing_the_door_imports_no_client() -> None:
    clients = ("yfinance", "alpaca", "fredapi", "sodapy", "ccxt", "curl_cffi", "requests")
    script = f"import sys, nullalpha.data.connect.fetch; print([name for name in {clients} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=True)
    assert ended.stdout.strip() == "[]"


def alpaca(base: str) -> ConnectConfig:
    return ConnectConfig(alpaca=AlpacaConfig(base_url=base, adjustment="raw"))


def test_what_a_person_described_is_what_the_series_is(catalogue: Catalogue, patience: Patience) -> None:
    own = Instrument("APPLE", "Apple, my costs", "XNAS", "USD", "close", 252, Costs(0.0, 3.0, 3.0), "mine")
    with recorded_service(lambda asked: Answer({"bars": {"AAPL": [BAR]}, "next_page_token": None})) as service:
        request = FetchRequest("AAPL", start="2024-01-09")
        first = fetch(
            "alpaca", request, catalogue, now=NOW, config=alpaca(service.base), instrument=own, variables=ALPACA, patience=patience
        )
        assert first.raw is not None
        catalogue.ingest(first.raw)
        again = fetch(
            "alpaca", request, catalogue, now=NOW, config=alpaca(service.base), instrument=own, variables=ALPACA, patience=patience
        )
    assert first.symbol == "APPLE"
    assert (first.raw.instrument.costs, first.raw.instrument.source) == (own.costs, "alpaca")
    assert (again.n_new, again.raw) == (0, None)


def test_a_symbol_from_elsewhere_is_left_alone_and_nothing_is_asked(catalogue: Catalogue, patience: Patience) -> None:
    own = Instrument("AAPL", "From a file", "XNYS", "USD", "open", 252, Costs(0.0, 1.0, 1.0), "csv")
    frame = pd.DataFrame({"time": ["2024-01-02"], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0]})
    catalogue.ingest(RawSeries(own, "1d", frame, "aapl.csv", b"bytes"))
    with (
        recorded_service(lambda asked: Answer({})) as service,
        pytest.raises(RefusedError, match="AAPL is there already, from csv, and this would be from alpaca"),
    ):
        fetch("alpaca", FetchRequest("AAPL"), catalogue, now=NOW, config=alpaca(service.base), variables=ALPACA, patience=patience)
    assert service.seen == []


def test_rows_that_were_there_and_are_torn_are_a_typed_error(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(lambda asked: Answer({"bars": {"AAPL": [BAR]}, "next_page_token": None})) as service:
        request = FetchRequest("AAPL", start="2024-01-09")
        first = fetch("alpaca", request, catalogue, now=NOW, config=alpaca(service.base), variables=ALPACA, patience=patience)
        assert first.raw is not None
        snapshot = catalogue.ingest(first.raw)
        (catalogue.root / "bronze" / f"{snapshot.bronze}.parquet").write_bytes(b"torn")
        with pytest.raises(ArtifactError, match="missing or torn"):
            fetch("alpaca", request, catalogue, now=NOW, config=alpaca(service.base), variables=ALPACA, patience=patience)


def test_a_table_comes_back_from_bronze_as_it_was_and_has_one_form() -> None:
    frame = pd.DataFrame({"time": pd.to_datetime(["2024-01-02T14:30Z"]).as_unit("ns"), "close": [1.1]})
    data = table_bytes(frame)
    pd.testing.assert_frame_equal(read_table(data, "x"), frame)
    assert table_bytes(read_table(data, "x")) == data
    with pytest.raises(ArtifactError, match="no table that was fetched"):
        read_table(b"PAR1", "x")


@pytest.mark.parametrize(
    "made",
    [
        lambda: AlpacaConfig(base_url="ftp://x"),
        lambda: CcxtConfig(base_url="http://user:pass@x"),
        lambda: YfinanceConfig(base_url="not an address"),
        lambda: AlpacaConfig(adjustment="al"),  # type: ignore[arg-type]
        lambda: AlpacaConfig(feed="sipp"),  # type: ignore[arg-type]
        lambda: FredConfig(lag_days=-1),
        lambda: FredConfig(release_time="half past eight"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_path(made: object) -> None:
    with pytest.raises(SettingsError) as error:
        made()  # type: ignore[operator]
    assert str(error.value.path).startswith("connect.")
    assert "pass" not in str(error.value.to_dict()).replace("password", "")


def test_credentials_are_printed_by_nobody() -> None:
    assert "s3cret" not in repr(Credentials({"KEY": "s3cret"}))
    assert scrubbed("a\n b s3cret " + "x" * 300, "s3cret", None).startswith("a b *** x")
    assert len(scrubbed("x" * 300)) == 200
