"""What snapshots were made of, the same bars under another description, and several processes at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import ArtifactError, NotFoundError, RefusedError
from nullalpha.data.catalogue import REDESCRIBED, Catalogue, ensure_samples
from nullalpha.data.instrument_book import InstrumentBook
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.resample import resample
from nullalpha.data.snapshots import Derivation, parse_snapshot
from nullalpha.data.sources.arch_samples import IXIC, SPX
from nullalpha.data.sources.series import RawSeries
from nullalpha.data.zones import BarStore, Zones

FilesUnder = Callable[[Path], dict[str, bytes]]


def days() -> Iterator[datetime]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return iter(start + timedelta(days=day) for day in range(1000))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    clock = days()
    return Catalogue(tmp_path / "data", now=lambda: next(clock))


@pytest.fixture
def raw(acme: Instrument, frame: pd.DataFrame) -> RawSeries:
    return RawSeries(acme, "1d", frame, "acme.csv", frame.to_csv().encode())


@pytest.fixture
def hourly(acme: Instrument) -> RawSeries:
    time = [f"2024-01-{day}T{hour}:30:00Z" for day in ("02", "03") for hour in range(14, 21)]
    prices = 10 + 0.1 * np.arange(len(time))
    columns = dict.fromkeys(("open", "high", "low", "close"), prices) | {"spread": np.full(len(time), 0.01)}
    frame = pd.DataFrame({"time": time, **columns})
    return RawSeries(acme, "1h", frame, "hours.csv", frame.to_csv().encode(), bar_time="open")


def dearer(instrument: Instrument) -> Instrument:
    return replace(instrument, costs=Costs(0.001, 5.0, 5.0))


def test_made_bars_say_what_they_were_made_of_down_to_what_was_received(catalogue: Catalogue, hourly: RawSeries) -> None:
    base = catalogue.ingest(hourly)
    daily = resample(catalogue.read(base), "1d", "XNYS")
    made = catalogue.store(daily, base.instrument, "1d of hours.csv", Derivation((base.id,), '{"resample":"1d"}'))
    assert catalogue.lineage(made.id) == [made, base]
    assert catalogue.lineage(base.id) == [base]
    assert (made.bronze, base.bronze) == ("", hourly.sha256)
    assert made.derived_from == Derivation((base.id,), '{"resample":"1d"}')
    assert catalogue.get(made.id) == made == parse_snapshot(json.dumps(made.to_dict()))
    np.testing.assert_array_equal(catalogue.read(made).close, [10.6, 11.3])
    assert catalogue.store(daily, base.instrument, "again", Derivation((), "another")) == made
    with pytest.raises(NotFoundError):
        catalogue.lineage("0" * 64)


def test_a_snapshot_of_two_parents_lists_each_ancestor_once(catalogue: Catalogue, raw: RawSeries, hourly: RawSeries) -> None:
    first, second = catalogue.ingest(raw), catalogue.ingest(hourly)
    bars = catalogue.read(first)
    middle = catalogue.store(bars.slice(0, 4), first.instrument, "cut", Derivation((first.id,), "the first four"))
    last = catalogue.store(bars.slice(0, 3), first.instrument, "both", Derivation((middle.id, second.id, first.id), "joined"))
    assert catalogue.lineage(last.id) == [last, middle, second, first]


def test_bars_under_another_description_are_the_same_bars_and_the_old_ones_stay(
    catalogue: Catalogue, raw: RawSeries, hourly: RawSeries
) -> None:
    old = [catalogue.ingest(hourly), catalogue.ingest(raw)]
    new = catalogue.redescribe("ACME", dearer(raw.instrument))
    assert [(snapshot.timeframe, snapshot.instrument.costs.slippage_bps) for snapshot in new] == [("1d", 5.0), ("1h", 5.0)]
    assert catalogue.latest("ACME", "1d") == new[0]
    assert new[0].derived_from == Derivation((old[1].id,), REDESCRIBED)
    assert catalogue.lineage(new[1].id) == [new[1], old[0]]
    for before, after in zip(old, reversed(new), strict=True):
        assert before.id != after.id
        assert catalogue.get(before.id) == before
        assert (after.source, after.bronze, after.findings, after.n_bars) == (before.source, before.bronze, before.findings, before.n_bars)
        for name in ("time", "open", "high", "low", "close", "volume", "spread"):
            np.testing.assert_array_equal(getattr(catalogue.read(after), name), getattr(catalogue.read(before), name))
    assert catalogue.redescribe("ACME", dearer(raw.instrument)) == new


def test_a_description_taken_back_makes_the_first_snapshot_the_latest_again(catalogue: Catalogue, raw: RawSeries) -> None:
    first = catalogue.ingest(raw)
    catalogue.redescribe("ACME", dearer(raw.instrument))
    (again,) = catalogue.redescribe("ACME", raw.instrument)
    assert again.id == first.id
    assert catalogue.latest("ACME", "1d") == again
    assert again.derived_from is None
    assert len(catalogue.snapshots()) == 2


def test_a_redescribed_snapshot_outlives_the_folder_of_the_first(catalogue: Catalogue, raw: RawSeries) -> None:
    first = catalogue.ingest(raw)
    (second,) = catalogue.redescribe("ACME", dearer(raw.instrument))
    shutil.rmtree(catalogue.bars_path(first).parent)
    assert len(catalogue.read(second)) == 6


def test_rows_set_apart_stay_beside_the_bars_under_another_description(catalogue: Catalogue, raw: RawSeries) -> None:
    raw.frame["close"] = raw.frame["close"].astype(object)
    raw.frame.loc[2, "close"] = "x"
    catalogue.ingest(raw, quarantine=True)
    (second,) = catalogue.redescribe("ACME", dearer(raw.instrument))
    apart = catalogue.quarantined(second)
    assert apart is not None
    assert apart["row"].to_pylist() == [2]
    (catalogue.bars_path(second).parent / "quarantine.parquet").unlink()
    with pytest.raises(ArtifactError):
        catalogue.quarantined(second)


@pytest.mark.parametrize(
    ("change", "path"),
    [({"symbol": "ACMF"}, "symbol"), ({"calendar": "XLON"}, "calendar"), ({"kind": "series"}, "kind")],
)
def test_a_description_that_would_make_other_bars_is_refused(
    catalogue: Catalogue, raw: RawSeries, change: dict[str, str], path: str
) -> None:
    catalogue.ingest(raw)
    with pytest.raises(RefusedError, match="cannot become") as caught:
        catalogue.redescribe("ACME", replace(raw.instrument, **change))  # type: ignore[arg-type]
    assert caught.value.path == path
    with pytest.raises(NotFoundError):
        catalogue.redescribe("NONE", raw.instrument)


def test_series_are_the_latest_of_each_instrument_and_timeframe_by_kind(catalogue: Catalogue, raw: RawSeries, hourly: RawSeries) -> None:
    catalogue.ingest(raw)
    hours = catalogue.ingest(hourly)
    latest = catalogue.ingest(replace(raw, frame=raw.frame.iloc[:5]))
    values = pd.DataFrame({"time": ["2024-02-02T13:30:00Z"], "value": [3.7]})
    rate = replace(raw.instrument, symbol="UNRATE", kind="series", calendar="24/7")
    published = catalogue.ingest(RawSeries(rate, "published", values, "fred", b"{}", "json"))
    assert catalogue.series() == [latest, hours, published]
    assert catalogue.series("series") == [published]
    assert catalogue.series("equity") == [latest, hours]


def test_samples_are_described_as_the_book_says_and_again_when_it_says_otherwise(catalogue: Catalogue, tmp_path: Path) -> None:
    book = InstrumentBook(tmp_path / "instruments.yaml")
    plain = ensure_samples(catalogue, book)
    assert [snapshot.instrument for snapshot in plain] == [SPX, IXIC]
    book.set("SPX", costs={"slippage_bps": 4.0})
    changed = ensure_samples(catalogue, book)
    assert changed[0].instrument == replace(SPX, costs=replace(SPX.costs, slippage_bps=4.0))
    assert changed[1] == plain[1]
    assert catalogue.latest("SPX", "1d") == changed[0] == ensure_samples(catalogue, book)[0]
    assert len(list((catalogue.root / "bronze").iterdir())) == 2
    book.set("SPX", costs={"slippage_bps": SPX.costs.slippage_bps})
    assert ensure_samples(catalogue, book)[0].id == plain[0].id == catalogue.latest("SPX", "1d").id


def test_sessions_torn_or_gone_are_detected(catalogue: Catalogue, hourly: RawSeries) -> None:
    snapshot = catalogue.ingest(hourly)
    path = catalogue.bars_path(snapshot).with_name("sessions.parquet")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtifactError):
        catalogue.read(snapshot)
    path.unlink()
    with pytest.raises(ArtifactError):
        catalogue.read(snapshot)
    assert catalogue.ingest(hourly).id == snapshot.id
    assert len(catalogue.read(snapshot)) == 14


def test_a_view_of_a_zone_has_the_sessions_and_columns_of_its_bars_alone(catalogue: Catalogue, hourly: RawSeries) -> None:
    snapshot = catalogue.ingest(hourly)
    store = BarStore(catalogue, Zones("2024-01-01", "2024-01-03", "2024-01-04"), [snapshot])
    bars = store.search().bars("ACME", "1h")
    assert bars.sessions is not None
    assert bars.spread is not None
    assert (len(bars), len(bars.sessions.open), bars.spread.base) == (7, 1, None)


def _take_in(root: str, symbol: str, barrier: object) -> None:
    time = pd.date_range("2024-01-02", periods=4).strftime("%Y-%m-%d")
    price = np.array([1.0, 1.1, 1.2, 1.3])
    frame = pd.DataFrame({"time": time, "open": price, "high": price, "low": price, "close": price})
    instrument = Instrument(symbol, "Acme", "24/7", "USD", "open", 365, Costs(0.0, 0.0, 0.0), "csv")
    catalogue = Catalogue(Path(root))
    barrier.wait()  # type: ignore[attr-defined]
    snapshot = catalogue.ingest(RawSeries(instrument, "1d", frame, f"by {os.getpid()}", f"{symbol}".encode()))
    assert catalogue.get(snapshot.id) == snapshot


def test_processes_that_take_in_the_same_bars_at_once_agree_on_one_snapshot(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    root = tmp_path / "data"
    workers = [context.Process(target=_take_in, args=(str(root), symbol, barrier)) for symbol in ("ACME", "ACME", "OTHER")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(snapshot.instrument.symbol for snapshot in Catalogue(root).snapshots()) == ["ACME", "OTHER"]


def test_a_description_of_before_kinds_is_read_and_has_the_same_id(catalogue: Catalogue, raw: RawSeries) -> None:
    snapshot = catalogue.ingest(raw)
    stored = snapshot.to_dict()
    for name in ("derived_from", "n_quarantined"):
        del stored[name]
    described = stored["instrument"]
    assert isinstance(described, dict)
    for name in ("kind", "tick", "lot", "multiplier", "distributions"):
        del described[name]
    (catalogue.bars_path(snapshot).parent / "snapshot.json").write_text(json.dumps(stored))
    assert catalogue.get(snapshot.id) == snapshot
    assert len(catalogue.read(snapshot)) == 6
