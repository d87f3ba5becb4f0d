from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import InsufficientBarsError, NotFoundError, RefusedError, SealedZoneError, SettingsError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.instruments import Instrument
from nullalpha.data.slices import read_slice
from nullalpha.data.sources.series import RawSeries
from nullalpha.data.zones import BarStore, BarView, LockboxOpening, ValidationTicket, Zones, propose_zones

ZONES = Zones("1999-01-04", "2011-01-01", "2015-01-01")


@pytest.fixture
def store(samples: Catalogue) -> BarStore:
    return BarStore(samples, ZONES)


def views(store: BarStore) -> list[BarView]:
    return [store.search(), store.validation(ValidationTicket("look-1")), store.lockbox(LockboxOpening("opening-1"))]


def test_the_proposal_for_the_samples_starts_on_new_years_days() -> None:
    assert propose_zones("1999-01-04T21:00:00Z", "2018-12-31T21:00:00Z") == ZONES


def test_a_span_of_ten_years_or_less_is_divided_by_days() -> None:
    assert propose_zones("2020-01-01", "2020-04-10") == Zones("2020-01-01", "2020-03-01", "2020-03-21")


@given(first=st.dates(date(1800, 1, 1), date(2050, 1, 1)), days=st.integers(10, 30_000))
def test_every_proposal_lies_inside_its_span_in_order(first: date, days: int) -> None:
    last = first + timedelta(days=days)
    zones = propose_zones(first.isoformat(), last.isoformat())
    assert zones.search_start == first.isoformat() < zones.validation_start < zones.lockbox_start < last.isoformat()
    search = (date.fromisoformat(zones.validation_start) - first).days / days
    assert abs(search - 0.6) < max(0.06, 1 / days)


@pytest.mark.parametrize("last", ["2020-01-01", "2020-01-02", "2019-01-01"])
def test_too_short_a_span_has_no_zones(last: str) -> None:
    with pytest.raises(InsufficientBarsError):
        propose_zones("2020-01-01", last)


@pytest.mark.parametrize(
    "starts",
    [
        ("2011-01-01", "2011-01-01", "2015-01-01"),
        ("1999-01-04", "2015-01-01", "2011-01-01"),
        ("1999-01-04", "2011-1-1", "2015-01-01"),
        ("19990104", "2011-01-01", "2015-01-01"),
        ("1999-01-04", "2011-02-30", "2015-01-01"),
    ],
)
def test_zones_that_are_no_ascending_dates_are_refused(starts: tuple[str, str, str]) -> None:
    with pytest.raises(SettingsError):
        Zones(*starts)


def test_zones_move_forward() -> None:
    later = ZONES.advance(validation_start="2012-01-01", lockbox_start="2016-06-01")
    assert later == Zones("1999-01-04", "2012-01-01", "2016-06-01")
    assert later.advance(validation_start="2012-01-01", lockbox_start="2016-06-01") == later


@pytest.mark.parametrize(
    ("validation", "lockbox"), [("2010-12-31", "2015-01-01"), ("2011-01-01", "2014-12-31"), ("2012-01-01", "2014-01-01")]
)
def test_zones_never_move_back(validation: str, lockbox: str) -> None:
    with pytest.raises(RefusedError, match="only forward"):
        ZONES.advance(validation_start=validation, lockbox_start=lockbox)


def test_each_view_ends_with_the_last_session_before_the_next_zone(store: BarStore) -> None:
    lasts = [str(view.bars("SPX", "1d").time[-1])[:16] for view in views(store)]
    assert lasts == ["2010-12-31T21:00", "2014-12-31T21:00", "2018-12-31T21:00"]


def test_each_zone_starts_at_its_first_session_after_all_the_history(store: BarStore) -> None:
    rows = []
    for view in views(store):
        bars = view.bars("SPX", "1d")
        row = view.zone_start_row(bars)
        rows.append((row, str(bars.time[row])[:10]))
        assert str(bars.time[0])[:10] == "1999-01-04"
    assert rows == [(0, "1999-01-04"), (3019, "2011-01-03"), (4025, "2015-01-02")]


def test_search_rows_start_after_warm_up_history_when_the_zone_does(samples: Catalogue) -> None:
    view = BarStore(samples, Zones("2000-01-01", "2011-01-01", "2015-01-01")).search()
    bars = view.bars("SPX", "1d")
    row = view.zone_start_row(bars)
    assert [str(bars.time[at])[:10] for at in (row - 1, row)] == ["1999-12-31", "2000-01-03"]


def test_a_zone_without_bars_starts_after_the_last_one(samples: Catalogue) -> None:
    view = BarStore(samples, Zones("2019-06-01", "2020-01-01", "2021-01-01")).search()
    assert view.zone_start_row(view.bars("SPX", "1d")) == 5031


@settings(deadline=None, max_examples=60)
@given(start=st.dates(date(1998, 1, 1), date(2019, 6, 1)), length=st.integers(1, 3000))
def test_no_view_ever_holds_a_bar_known_at_or_after_its_end(samples: Catalogue, start: date, length: int) -> None:
    boundary = start + timedelta(days=length)
    zones = Zones("1990-01-01", start.isoformat(), boundary.isoformat())
    whole = samples.read(samples.latest("IXIC", "1d"))
    for view in views(BarStore(samples, zones))[:2]:
        bars = view.bars("IXIC", "1d")
        end = np.datetime64(view.end)
        assert len(bars) == np.count_nonzero(whole.time < end)
        assert (bars.time < end).all()
        np.testing.assert_array_equal(bars.close, whole.close[: len(bars)])
        assert all(column.base is None for column in (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume))


def test_a_bar_known_exactly_at_the_boundary_belongs_to_the_later_zone(tmp_path: Path, acme: Instrument, frame: pd.DataFrame) -> None:
    """A day of a market that never sleeps closes at 00:00 of the next."""
    catalogue = Catalogue(tmp_path)
    coin = Instrument("COIN", "Coin", "24/7", "USD", "open", 365, acme.costs, "csv")
    days = frame.assign(time=pd.date_range("2023-12-29", periods=6))
    catalogue.ingest(RawSeries(coin, "1d", days, "coin.csv", b"coin"))
    store = BarStore(catalogue, Zones("2023-01-01", "2024-01-01", "2024-01-03"))
    search, validation, lockbox = views(store)
    assert len(search.bars("COIN", "1d")) == 2
    assert validation.zone_start_row(validation.bars("COIN", "1d")) == 2
    assert (len(validation.bars("COIN", "1d")), len(lockbox.bars("COIN", "1d"))) == (4, 6)


def test_reading_past_the_zone_is_sealed(store: BarStore) -> None:
    search, validation, lockbox = views(store)
    assert len(search.bars("SPX", "1d", until="2011-01-01")) == 3019
    assert len(search.bars("SPX", "1d", until="1999-01-06")) == 2
    for view, until in ((search, "2011-01-02"), (validation, "2015-01-02"), (search, "2030-01-01")):
        with pytest.raises(SealedZoneError, match="lies beyond"):
            view.bars("SPX", "1d", until=until)
    with pytest.raises(SealedZoneError):
        search.zone_start_row(validation.bars("SPX", "1d"))
    assert len(lockbox.bars("SPX", "1d", until="2030-01-01")) == 5031


@pytest.mark.parametrize("ledger_id", ["", "  "])
def test_no_permission_without_a_ledger_row(ledger_id: str) -> None:
    for permission in (ValidationTicket, LockboxOpening):
        with pytest.raises(SealedZoneError, match="ledger"):
            permission(ledger_id)


def test_a_permission_opens_its_own_zone_alone(store: BarStore) -> None:
    with pytest.raises(SealedZoneError):
        store.validation(LockboxOpening("opening-1"))  # type: ignore[arg-type]
    with pytest.raises(SealedZoneError):
        store.lockbox(ValidationTicket("look-1"))  # type: ignore[arg-type]


def test_dates_and_counts_are_public_and_findings_are_not(store: BarStore, samples: Catalogue) -> None:
    facts = store.search().snapshot("IXIC", "1d")
    assert (facts.last, facts.n_bars, facts.findings) == ("2018-12-31T21:00:00Z", 5031, ())
    assert len(samples.latest("IXIC", "1d").findings) == 2


def test_a_pinned_store_reads_its_snapshots_whatever_is_imported_later(tmp_path: Path, acme: Instrument, frame: pd.DataFrame) -> None:
    catalogue = Catalogue(tmp_path)
    zones = Zones("2023-01-01", "2024-06-01", "2025-01-01")
    pinned = BarStore(catalogue, zones, [catalogue.ingest(RawSeries(acme, "1d", frame, "a.csv", b"a"))])
    catalogue.ingest(RawSeries(acme, "1d", frame.iloc[:4], "b.csv", b"b"))
    assert len(pinned.search().bars("ACME", "1d")) == 6
    assert len(BarStore(catalogue, zones).search().bars("ACME", "1d")) == 4
    with pytest.raises(NotFoundError, match="SPX"):
        pinned.search().bars("SPX", "1d")


def test_a_slice_for_a_worker_holds_the_zone_and_nothing_beyond(store: BarStore, tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    view = store.search()
    sha256 = view.slice_artifact("SPX", "1d", artifacts)
    assert view.slice_artifact("SPX", "1d", ArtifactStore(tmp_path / "other")) == sha256
    bars, expected = read_slice(artifacts, sha256), view.bars("SPX", "1d")
    for name in ("time", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(bars, name), getattr(expected, name))
    assert len(artifacts.get(sha256)) < 3019 * 6 * 8 + 2000
    assert {view.slice_artifact("SPX", "1d", artifacts) for view in views(store)} > {sha256}
