from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.errors import HomeError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.cache import FeatureCache
from nullalpha.engines.features.node_keys import NodeKeys
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.strategy.plan import FeaturePlan

LONG = 1000
RSI = FeaturePlan("rsi", "rsi", (("period", 14),), "rsi", "1d", inputs=("close",))
WEEKLY = FeaturePlan("rank", "rank", (("period", 20),), "rank", "1w", inputs=(replace(RSI, timeframe="1w", params=(("period", 3),)),))
GRAPH = FeaturePlan("zscore", "zscore", (("period", 60),), "zscore", "1d", inputs=(RSI,))
FEAR = FeaturePlan("fear", "roc", (("period", 5),), "roc", "1d", "VIX", ("close",))


def _cache(root: Path, limit: int = 10**6, **options: int) -> FeatureCache:
    return FeatureCache(root, limit, disk_rows=LONG, **options)


def _column(seed: int, n: int = LONG) -> FloatArray:
    values = np.random.default_rng(seed).standard_normal(n)
    values[: n // 10] = np.nan
    return values


class Recorder:
    """A cache that remembers all and counts what it was asked."""

    def __init__(self) -> None:
        self.columns: dict[str, FloatArray] = {}
        self.hits = 0

    def get(self, key: str) -> FloatArray | None:
        self.hits += key in self.columns
        return self.columns.get(key)

    def put(self, key: str, values: FloatArray) -> None:
        self.columns[key] = values.copy()


def test_long_columns_are_files_that_another_process_reads_and_short_ones_stay_in_this_one(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.put("long", _column(1))
    cache.put("short", _column(2, LONG - 1))
    np.testing.assert_array_equal(cache.get("long"), _column(1))
    np.testing.assert_array_equal(cache.get("short"), _column(2, LONG - 1))
    other = _cache(tmp_path)
    np.testing.assert_array_equal(other.get("long"), _column(1))
    assert other.get("short") is None
    assert cache.get("unknown") is None
    assert {path.name for path in tmp_path.iterdir()} == {"long.column", ".lock"}


def test_what_is_handed_out_cannot_be_changed(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.put("long", _column(1))
    cache.put("short", _column(2, 10))
    for key in ("long", "short"):
        kept = cache.get(key)
        assert kept is not None
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1.0


@pytest.mark.parametrize("harm", ["cut", "one bit", "empty", "foreign", "longer"])
def test_a_torn_file_is_a_miss_and_is_removed(harm: str, tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.put("key", _column(1))
    path = tmp_path / "key.column"
    data = bytearray(path.read_bytes())
    data[5000] ^= 4
    torn = {"cut": bytes(data[:4000]), "one bit": bytes(data), "empty": b"", "foreign": b"hello", "longer": path.read_bytes() + b"x"}
    path.write_bytes(torn[harm])
    assert cache.get("key") is None
    assert not path.exists()
    cache.put("key", _column(1))
    np.testing.assert_array_equal(cache.get("key"), _column(1))


def test_the_files_used_longest_ago_are_removed_when_they_take_too_much(tmp_path: Path) -> None:
    cache = _cache(tmp_path, 4 * 8100)
    for age, key in enumerate("abcd"):
        cache.put(key, _column(age))
        os.utime(tmp_path / f"{key}.column", ns=(age, age))  # a, then b, then c, then d was used last
    assert cache.get("a") is not None  # used now
    cache.put("e", _column(5))
    assert {path.stem for path in tmp_path.glob("*.column")} == {"a", "c", "d", "e"}
    cache.put("huge", _column(0, 5 * LONG))
    assert cache.get("huge") is None
    assert cache.get("e") is not None


def test_memory_is_bounded_too(tmp_path: Path) -> None:
    cache = _cache(tmp_path, memory_bytes=3 * 800)
    for seed, key in enumerate("abc"):
        cache.put(key, _column(seed, 100))
    assert cache.get("a") is not None
    cache.put("d", _column(4, 100))
    cache.put("d", _column(4, 100))
    assert cache.get("b") is None
    assert all(cache.get(key) is not None for key in "acd")
    cache.put("big", _column(5, 400))
    assert cache.get("big") is None
    assert cache.get("a") is not None


WRITER = """
import sys
from pathlib import Path
import numpy as np
from nullalpha.engines.features.cache import FeatureCache

cache, wrong = FeatureCache(Path(sys.argv[1]), 12 * 8100, disk_rows=1000), 0
for turn in range(150):
    number = (int(sys.argv[2]) + 7 * turn) % 24
    expected = np.full(1000, float(number))
    found = cache.get(f"k{number}")
    wrong += found is not None and not np.array_equal(found, expected)
    if found is None:
        cache.put(f"k{number}", expected)
sys.exit(wrong)
"""


def test_many_processes_may_read_write_and_remove_at_once(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(start)]) for start in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    files = list(tmp_path.glob("*.column"))
    assert 0 < sum(path.stat().st_size for path in files) <= 12 * 8100
    assert not list(tmp_path.glob("*.part"))
    cache = _cache(tmp_path)
    for path in files:
        np.testing.assert_array_equal(cache.get(path.stem), np.full(1000, float(path.stem[1:])))


def test_a_folder_that_cannot_be_used_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HomeError, match="cannot use"):
        _cache(tmp_path / "file").put("key", _column(1))
    with pytest.raises(HomeError, match="cannot use"):
        _cache(tmp_path / "file").get("key")


def test_cached_features_are_the_computed_ones_and_shared_between_strategies(bars: Bars, vix: Bars, tmp_path: Path) -> None:
    features, others = (GRAPH, WEEKLY, RSI, FEAR), {"VIX": vix}
    expected = compute_features(features, bars, others)
    for cache in (_cache(tmp_path), FeatureCache(tmp_path / "other", 10**6)):
        for _ in range(2):
            np.testing.assert_array_equal(compute_features(features, bars, others, cache), expected)
    recorder = Recorder()
    compute_features((GRAPH,), bars, others, recorder)
    assert (len(recorder.columns), recorder.hits) == (2, 0)  # the node and its input
    again = compute_features((replace(GRAPH, name="renamed"), RSI), bars, others, recorder)
    assert (len(recorder.columns), recorder.hits) == (2, 2)
    np.testing.assert_array_equal(again, expected[:, [0, 2]])


def _key(node: FeaturePlan, bars: Bars, **others: Bars) -> str:
    return NodeKeys(bars, others).of(node)


def test_a_key_holds_all_that_decides_the_values_and_nothing_else(bars: Bars, vix: Bars) -> None:
    later = replace(bars, time=bars.time + np.timedelta64(1, "D"))
    revised = replace(bars, close=bars.close * 1.01)
    traded = replace(bars, volume=bars.volume + 1)
    assert _key(GRAPH, bars) == _key(replace(GRAPH, name="another name", unit="ratio"), replace(bars, instrument="COPY"))
    assert _key(GRAPH, bars) == _key(GRAPH, traded) == _key(GRAPH, later)  # reads closes alone, and no clock
    assert _key(WEEKLY, bars) == _key(WEEKLY, traded)
    different = [
        _key(GRAPH, bars),
        _key(RSI, bars),
        _key(GRAPH, revised),
        _key(GRAPH, bars.slice(0, 1999)),
        _key(replace(GRAPH, params=(("period", 61),)), bars),
        _key(replace(GRAPH, inputs=(replace(RSI, params=(("period", 15),)),)), bars),
        _key(replace(RSI, inputs=("open",)), bars),
        _key(WEEKLY, bars),
        _key(WEEKLY, later),
        _key(FEAR, bars, VIX=vix),
        _key(FEAR, bars, VIX=replace(vix, close=vix.close + 1)),
        _key(FEAR, bars, VIX=replace(vix, time=vix.time + 1)),
        _key(replace(FEAR, instrument="SKEW"), bars, SKEW=vix),
    ]
    assert len(set(different)) == len(different)


def test_a_key_follows_the_sessions_that_longer_bars_are_made_by(quarter_hours: Bars) -> None:
    hourly = replace(RSI, timeframe="1h")
    assert _key(hourly, quarter_hours) != _key(hourly, replace(quarter_hours, sessions=None))
    assert _key(replace(RSI, timeframe="15m"), quarter_hours) == _key(replace(RSI, timeframe="15m"), replace(quarter_hours, sessions=None))
