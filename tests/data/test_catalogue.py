from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import ArtifactError, DataError, HomeError, NotFoundError
from nullalpha.data.bars import Bars
from nullalpha.data.catalogue import Catalogue, ensure_samples
from nullalpha.data.instruments import Instrument
from nullalpha.data.parse import parse_table
from nullalpha.data.silver import build_bars
from nullalpha.data.snapshots import Snapshot, parse_snapshot, snapshot_id
from nullalpha.data.sources.arch_samples import IXIC, SPX
from nullalpha.data.sources.series import RawSeries

FilesUnder = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def raw(acme: Instrument, frame: pd.DataFrame) -> RawSeries:
    return RawSeries(acme, "1d", frame, "acme.csv", frame.to_csv().encode())


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "data")


def stored(catalogue: Catalogue, snapshot: Snapshot, name: str) -> Path:
    return catalogue.root / "silver" / snapshot.id / name


def test_the_samples_are_twenty_years_of_every_session_without_errors(samples: Catalogue) -> None:
    spx, ixic = (samples.latest(symbol, "1d") for symbol in ("SPX", "IXIC"))
    for snapshot, declared in ((spx, SPX), (ixic, IXIC)):
        assert snapshot.instrument == declared
        assert (snapshot.first, snapshot.last, snapshot.n_bars) == ("1999-01-04T21:00:00Z", "2018-12-31T21:00:00Z", 5031)
    assert spx.findings == ()
    assert [(finding.code, finding.time) for finding in ixic.findings] == [("zero_volume", "2015-05-12"), ("zero_volume", "2018-01-09")]


def test_the_samples_have_the_same_ids_everywhere(samples: Catalogue) -> None:
    assert samples.latest("SPX", "1d").id == "7cb2bb9e301875e5434218a6109b0ae9a992c88506d822cc2442039a4dee3723"
    assert samples.latest("IXIC", "1d").id == "e31f67e4b5fa90b91f7cd61d0dc36c2c8619c123813c38ae567384ef2e09468a"


def test_a_description_that_says_no_more_than_the_first_ones_has_their_id(samples: Catalogue) -> None:
    """Ids of homes made before an instrument had a kind: fields that say nothing are not in the hash."""
    bars = samples.read(samples.latest("SPX", "1d"))
    assert snapshot_id(bars, replace(SPX, kind="equity", distributions="none")) == (
        "6c6926cf871091a5d77f464424092c24fc62c22b7336556b35961bb1e2998d5c"
    )


AS_ONCE_STORED = {
    "id": "985958b9dbf5587534503e6896a4875171065b3675f2cca90c0018389500f567",
    "instrument": {
        "symbol": "ACME",
        "name": "Acme Corp",
        "calendar": "XNYS",
        "currency": "USD",
        "fill_basis": "open",
        "sessions_per_year": 252,
        "costs": {"commission": 0.0001, "half_spread_bps": 1.0, "slippage_bps": 1.0},
        "source": "csv",
        "survivorship": False,
        "kind": "equity",
        "tick": 0.0,
        "lot": 0.0,
        "multiplier": 1.0,
        "distributions": "none",
    },
    "timeframe": "1d",
    "first": "2024-01-02T21:00:00Z",
    "last": "2024-01-09T21:00:00Z",
    "n_bars": 6,
    "source": "acme.csv",
    "bronze": "5cd04c8d81dd13b267af96ac192677f5be80284834fd66c0189c98ebda2211a3",
    "findings": [],
    "created": "2026-01-01T00:00:00.000000+00:00",
    "derived_from": None,
    "n_quarantined": 0,
}
"""A description as it was stored when costs were commission, half_spread_bps and slippage_bps."""


def test_a_snapshot_of_before_holding_had_a_cost_still_verifies_and_keeps_what_was_recorded(catalogue: Catalogue, raw: RawSeries) -> None:
    told = AS_ONCE_STORED["id"]
    assert catalogue.ingest(raw).id == told
    description = catalogue.root / "silver" / str(told) / "snapshot.json"
    description.write_text(json.dumps(AS_ONCE_STORED, indent=1))
    snapshot = catalogue.get(str(told))
    assert snapshot.instrument == raw.instrument
    assert (snapshot.instrument.costs.borrow, snapshot.instrument.costs.spread) == (0.0, "fixed")
    assert len(catalogue.read(snapshot)) == 6
    assert catalogue.stand(snapshot).id == told
    assert catalogue.ingest(raw).id == told


@pytest.mark.parametrize(
    ("name", "value"),
    [("commission_per_unit", 0.005), ("spread", "quoted"), ("volume_cap", 0.05), ("borrow", 0.01), ("swap_short", -0.01), ("funding", 0.1)],
)
def test_a_cost_that_says_something_makes_another_id(catalogue: Catalogue, raw: RawSeries, name: str, value: object) -> None:
    bars = catalogue.read(catalogue.ingest(raw))
    other = replace(raw.instrument, costs=replace(raw.instrument.costs, **{name: value}))
    assert snapshot_id(bars, other) != snapshot_id(bars, raw.instrument)


def test_sample_bars_hold_prices_in_order_and_ascending_times(samples: Catalogue) -> None:
    bars = samples.read(samples.latest("SPX", "1d"))
    assert (np.diff(bars.time) > np.timedelta64(0, "ns")).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert bars.close[0] == 1228.099976


def test_samples_that_are_there_are_not_taken_in_again(samples: Catalogue, files_under: FilesUnder) -> None:
    before = files_under(samples.root)
    assert ensure_samples(samples) == [samples.latest("SPX", "1d"), samples.latest("IXIC", "1d")]
    assert files_under(samples.root) == before


def test_a_users_own_bars_of_a_sample_symbol_are_left_alone(catalogue: Catalogue, raw: RawSeries) -> None:
    own = catalogue.ingest(replace(raw, instrument=replace(raw.instrument, symbol="SPX")))
    assert [snapshot.source for snapshot in ensure_samples(catalogue)] == ["acme.csv", "arch/data/nasdaq/nasdaq.csv.gz"]
    assert catalogue.latest("SPX", "1d") == own


def test_a_sample_declared_with_other_costs_is_taken_in_anew(catalogue: Catalogue) -> None:
    spx, _ = ensure_samples(catalogue)
    cheap = replace(SPX, costs=replace(SPX.costs, slippage_bps=0.0))
    stale = replace(spx, instrument=cheap)
    folder = stored(catalogue, spx, "").parent
    stale = replace(stale, id=snapshot_id(catalogue.read(spx), cheap))
    (folder / stale.id).mkdir()
    stored(catalogue, stale, "bars.parquet").write_bytes(stored(catalogue, spx, "bars.parquet").read_bytes())
    stored(catalogue, stale, "snapshot.json").write_text(json.dumps(stale.to_dict()))
    stored(catalogue, spx, "snapshot.json").unlink()
    assert ensure_samples(catalogue)[0].instrument == SPX


def test_what_was_stored_is_read_back_exactly(catalogue: Catalogue, raw: RawSeries, files_under: FilesUnder) -> None:
    snapshot = catalogue.ingest(raw)
    bars = catalogue.read(snapshot)
    np.testing.assert_array_equal(bars.close, raw.frame["close"])
    assert (bars.instrument, bars.timeframe, len(bars)) == ("ACME", "1d", 6)
    assert catalogue.get(snapshot.id) == snapshot == catalogue.latest("ACME", "1d")
    assert set(files_under(catalogue.root)) == {
        f"bronze/{raw.sha256}.csv",
        f"silver/{snapshot.id}/bars.parquet",
        f"silver/{snapshot.id}/snapshot.json",
    }
    assert files_under(catalogue.root)[f"bronze/{raw.sha256}.csv"] == raw.original


def test_stored_bars_are_a_plain_parquet_table(catalogue: Catalogue, raw: RawSeries) -> None:
    table = pd.read_parquet(stored(catalogue, catalogue.ingest(raw), "bars.parquet"))
    assert list(table.columns) == ["time", "open", "high", "low", "close", "volume"]
    assert table["time"].iloc[0] == pd.Timestamp("2024-01-02 21:00", tz="UTC")


def test_taking_in_the_same_bars_twice_changes_nothing(tmp_path: Path, raw: RawSeries, files_under: FilesUnder) -> None:
    days = iter([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)])
    catalogue = Catalogue(tmp_path, now=lambda: next(days))
    first = catalogue.ingest(raw)
    before = files_under(tmp_path)
    assert catalogue.ingest(raw) == first
    assert files_under(tmp_path) == before
    assert first.created == "2026-01-01T00:00:00.000000+00:00"


def test_the_id_depends_on_the_bars_and_the_declared_instrument_alone(tmp_path: Path, raw: RawSeries) -> None:
    text = raw.frame.astype(str)
    same = replace(raw, frame=text, source="other.csv", original=b"other bytes")
    first = Catalogue(tmp_path / "a", now=lambda: datetime(2030, 1, 1, tzinfo=UTC)).ingest(raw)
    assert Catalogue(tmp_path / "b", now=lambda: datetime(2031, 1, 1, tzinfo=UTC)).ingest(same).id == first.id
    moved = raw.frame.assign(close=raw.frame["close"] + [0, 0, 0, 0, 0, 1e-9])
    other = Catalogue(tmp_path / "c")
    ids = {
        first.id,
        other.ingest(replace(raw, frame=moved)).id,
        other.ingest(replace(raw, frame=raw.frame.iloc[1:])).id,
        other.ingest(replace(raw, frame=raw.frame.drop(columns="volume"))).id,
        other.ingest(replace(raw, instrument=replace(raw.instrument, symbol="ACMF"))).id,
        other.ingest(replace(raw, instrument=replace(raw.instrument, fill_basis="close"))).id,
    }
    assert len(ids) == 6
    assert len(other.snapshots()) == 5


@pytest.mark.parametrize("name", ["bars.parquet", "snapshot.json"])
@pytest.mark.parametrize("kind", ["short", "flipped", "empty"])
def test_a_torn_file_is_detected_and_mended_by_taking_the_bars_in_again(catalogue: Catalogue, raw: RawSeries, name: str, kind: str) -> None:
    snapshot = catalogue.ingest(raw)
    path = stored(catalogue, snapshot, name)
    data = path.read_bytes()
    flipped = data.replace(snapshot.id.encode(), b"0" * 64) if name == "snapshot.json" else data[:40] + bytes([data[40] ^ 255]) + data[41:]
    path.write_bytes({"short": data[: len(data) // 2], "flipped": flipped, "empty": b""}[kind])
    with pytest.raises(ArtifactError, match=re.escape(snapshot.id[:12])):
        catalogue.read(catalogue.get(snapshot.id))
    catalogue.ingest(raw)
    assert len(catalogue.read(catalogue.get(snapshot.id))) == 6


def test_bars_swapped_for_valid_others_are_detected(catalogue: Catalogue, raw: RawSeries) -> None:
    snapshot = catalogue.ingest(raw)
    path = stored(catalogue, snapshot, "bars.parquet")
    table = pd.read_parquet(path)
    table.loc[3, "close"] = 10.2
    table.to_parquet(path)
    with pytest.raises(ArtifactError, match="torn"):
        catalogue.read(snapshot)


def test_bars_that_are_gone_are_an_artifact_error(catalogue: Catalogue, raw: RawSeries) -> None:
    snapshot = catalogue.ingest(raw)
    stored(catalogue, snapshot, "bars.parquet").unlink()
    with pytest.raises(ArtifactError):
        catalogue.read(snapshot)


def test_an_import_cut_short_before_its_description_does_not_exist(catalogue: Catalogue, raw: RawSeries) -> None:
    snapshot = catalogue.ingest(raw)
    stored(catalogue, snapshot, "snapshot.json").unlink()
    assert catalogue.snapshots() == []
    assert catalogue.ingest(raw).id == snapshot.id
    assert [item.id for item in catalogue.snapshots()] == [snapshot.id]


def test_the_latest_snapshot_is_the_last_import(tmp_path: Path, raw: RawSeries) -> None:
    days = iter(datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    catalogue = Catalogue(tmp_path, now=lambda: next(days))
    first = catalogue.ingest(raw)
    second = catalogue.ingest(replace(raw, frame=raw.frame.iloc[:5]))
    assert catalogue.latest("ACME", "1d") == second
    assert catalogue.snapshots() == [first, second]


@pytest.mark.parametrize(
    ("instrument", "timeframe", "suggestion"),
    [("SPY", "1d", "SPX"), ("spx", "1d", "SPX"), ("SPX", "1h", "1d"), ("GOLD", "1d", "IXIC, SPX")],
)
def test_bars_that_are_not_there_are_not_found_with_the_nearest(
    samples: Catalogue, instrument: str, timeframe: str, suggestion: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        samples.latest(instrument, timeframe)
    assert caught.value.suggestion is not None
    assert suggestion in caught.value.suggestion


@pytest.mark.parametrize("snapshot", ["0" * 64, "", "../../etc", "." * 64])
def test_an_unknown_id_is_not_found(samples: Catalogue, snapshot: str) -> None:
    with pytest.raises(NotFoundError):
        samples.get(snapshot)


def test_a_home_that_cannot_be_written_is_a_home_error(tmp_path: Path, raw: RawSeries) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeError) as caught:
        Catalogue(tmp_path / "file" / "data").ingest(raw)
    assert caught.value.exit_code == 2
    assert str(tmp_path) in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_warnings_travel_with_the_snapshot_and_errors_stop_the_import(catalogue: Catalogue, raw: RawSeries) -> None:
    gap = replace(raw, frame=raw.frame.drop(index=2).reset_index(drop=True))
    snapshot = catalogue.ingest(gap)
    assert [finding.code for finding in snapshot.findings] == ["missing_sessions"]
    bad = replace(gap, frame=gap.frame.assign(low=[9.9, 10.1, -1.0, 9.8, 10.2]))
    with pytest.raises(DataError) as caught:
        catalogue.ingest(bad)
    assert {finding.code for finding in caught.value.findings} == {"missing_sessions", "non_positive_price"}
    assert caught.value.value == "non_positive_price"
    assert catalogue.snapshots() == [snapshot]


def test_a_snapshot_survives_its_json(samples: Catalogue) -> None:
    for snapshot in samples.snapshots():
        assert parse_snapshot(json.dumps(snapshot.to_dict())) == snapshot


@given(ratios=st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6), dent=st.floats(0, 0.9e-6))
def test_adjustment_keeps_returns_of_the_adjusted_close_and_the_order_of_prices(ratios: list[float], dent: float) -> None:
    close = np.array([10.5, 10.2, 10.4, 10.1, 10.3, 10.8])
    dates = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"])
    columns = {"open": close, "high": close * (1 - dent), "low": close * (1 + dent), "close": close, "adj_close": close * ratios}
    table, _ = parse_table(pd.DataFrame({"time": dates, **columns}), "1d")
    assert table is not None
    bars: Bars = build_bars(table, SPX, "1d", "close")
    np.testing.assert_allclose(bars.close, close * ratios, rtol=1e-12)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
