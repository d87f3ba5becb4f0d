from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.errors import NotFoundError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.sources.packaged import packaged_file
from nullalpha.data.sources.registry import OPTIONAL_SAMPLES, SAMPLES, samples_named


def test_two_samples_are_there_unasked_and_twenty_two_on_request() -> None:
    assert [sample.instrument.symbol for sample in SAMPLES] == ["SPX", "IXIC"]
    assert len(OPTIONAL_SAMPLES) == 22
    assert len({sample.instrument.symbol for sample in samples_named(None)}) == 24


def test_crude_oil_is_closes_of_the_days_that_have_one(tmp_path: Path) -> None:
    import arch.data.wti

    packaged = arch.data.wti.load().dropna()
    (sample,) = samples_named("wti")
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(catalogue.ingest(sample.load()))
    np.testing.assert_array_equal(bars.close, packaged.iloc[:, 0])
    for prices in (bars.open, bars.high, bars.low):
        np.testing.assert_array_equal(prices, bars.close)
    assert (len(bars), bars.close[0], str(bars.time[0])) == (8321, 25.56, "1986-01-02T21:00:00.000000000")
    assert (sample.instrument.kind, sample.instrument.fill_basis) == ("commodity", "close")


def test_the_vix_is_an_outside_series_known_a_quarter_of_an_hour_after_the_stocks_close(tmp_path: Path) -> None:
    """Cboe's session ends at 16:15 in New York: 21:15 UTC in winter, 20:15 in summer; at 13:15 on the Friday after Thanksgiving."""
    import arch.data.vix

    packaged = arch.data.vix.load().dropna()
    (sample,) = samples_named("VIX")
    catalogue = Catalogue(tmp_path / "data")
    bars = catalogue.read(catalogue.ingest(sample.load()))
    np.testing.assert_array_equal(bars.close, packaged.iloc[:, 0])
    known = {str(time)[:10]: str(time)[11:16] for time in bars.time}
    assert (known["2014-01-03"], known["2014-07-01"], known["2014-11-28"]) == ("21:15", "20:15", "18:15")
    assert not sample.instrument.tradable
    assert sample.timeframe == "published"


@pytest.mark.parametrize("symbol", ["AAPL", "XOM"])
def test_a_large_company_is_what_the_package_holds_and_a_survivor(symbol: str, tmp_path: Path) -> None:
    from skfolio.datasets import load_sp500_dataset

    packaged = load_sp500_dataset()[symbol]
    (sample,) = samples_named(symbol)
    catalogue = Catalogue(tmp_path / "data")
    snapshot = catalogue.ingest(sample.load())
    bars = catalogue.read(snapshot)
    np.testing.assert_array_equal(bars.close, packaged)
    np.testing.assert_array_equal(bars.high, bars.low)
    assert [str(time)[:10] for time in bars.time[[0, -1]]] == ["1990-01-02", "2022-12-28"]
    declared = snapshot.instrument
    assert (declared.survivorship, declared.distributions, declared.fill_basis) == (True, "adjusted", "close")


def test_every_company_has_a_column_and_one_shared_original() -> None:
    companies = [sample for sample in OPTIONAL_SAMPLES if sample.instrument.source == "skfolio"]
    loaded = [sample.load() for sample in companies]
    assert len(loaded) == 20
    assert {len(raw.frame) for raw in loaded} == {8313}
    assert len({raw.sha256 for raw in loaded}) == 1


def test_samples_are_read_without_importing_the_packages_that_ship_them() -> None:
    code = (
        "import sys; from nullalpha.data.sources.registry import samples_named; "
        "[sample.load() for name in ('AAPL', 'VIX', 'WTI') for sample in samples_named(name)]; "
        "print(sorted({'arch', 'skfolio', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_sample_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        samples_named("appl")
    assert caught.value.suggestion == "did you mean AAPL?"
    with pytest.raises(NotFoundError, match="ships no data/gold/gold"):
        packaged_file("arch", "data", "gold", "gold.csv.gz")
    with pytest.raises(NotFoundError, match="no_such_package"):
        packaged_file("no_such_package", "data.csv")
