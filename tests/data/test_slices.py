from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import ArtifactError
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.bars import Bars, SessionTable
from nullalpha.data.slices import decode_bars, encode_bars, hash_bars, read_slice, write_slice

COLUMNS = ("time", "open", "high", "low", "close", "volume")


def bars_of(values: np.ndarray, symbol: str = "ACME") -> Bars:
    time = np.datetime64("2024-01-02T21", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    return Bars(symbol, "1d", time, *(values[:, column] for column in range(5)))


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(5))))
def test_any_bars_survive_their_bytes_and_equal_bars_are_equal_bytes(values: np.ndarray) -> None:
    bars = bars_of(values)
    data = encode_bars(bars)
    again = decode_bars(data)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(bars, name))
        assert getattr(again, name).dtype == getattr(bars, name).dtype
    assert encode_bars(again) == data == encode_bars(bars_of(np.asfortranarray(values)))


def test_the_bytes_are_the_same_on_every_machine() -> None:
    bars = bars_of(np.arange(1.0, 11.0).reshape(2, 5))
    assert sha256_hex(encode_bars(bars)) == "d7e1731404e6dc8a90142d95958a2c14315b10dd654f7491cf57639f561414bc"


def test_the_file_is_safetensors_that_any_reader_opens() -> None:
    bars = bars_of(np.arange(1.0, 16.0).reshape(3, 5))
    tensors = load(encode_bars(bars))
    assert set(tensors) == set(COLUMNS)
    np.testing.assert_array_equal(tensors["close"], bars.close)
    np.testing.assert_array_equal(tensors["time"], bars.time.astype(np.int64))


def test_all_that_bars_are_is_in_the_hash() -> None:
    values = np.arange(1.0, 11.0).reshape(2, 5)
    bars = bars_of(values)
    shifted = Bars("ACME", "1d", bars.time + np.timedelta64(1, "ns"), *(values[:, column] for column in range(5)))
    hourly = Bars("ACME", "1h", bars.time, *(values[:, column] for column in range(5)))
    others = [shifted, hourly, bars_of(values, "ACMF"), bars.slice(0, 1), *(bars_of(values + 1e-12 * np.eye(2, 5, k)) for k in range(5))]
    assert len({encode_bars(other) for other in [bars, *others]}) == 10


def with_everything() -> Bars:
    plain = bars_of(np.arange(1.0, 16.0).reshape(3, 5))
    opens = np.array(["2024-01-02T14:30", "2024-01-03T14:30"], dtype="datetime64[ns]")
    table = SessionTable(opens, opens + np.timedelta64(390, "m"))
    return replace(plain, spread=np.array([0.1, np.nan, 0.0]), factor=np.array([0.5, 1.0, 1.0]), sessions=table)


def test_spread_factor_and_sessions_survive_their_bytes() -> None:
    bars = with_everything()
    again = decode_bars(encode_bars(bars))
    assert again.sessions is not None
    assert bars.sessions is not None
    for ours, theirs in ((again, bars), (again.sessions, bars.sessions)):
        for name in vars(theirs):
            if isinstance(getattr(theirs, name), np.ndarray):
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert encode_bars(again) == encode_bars(bars)
    assert set(load(encode_bars(bars))) == {*COLUMNS, "spread", "factor", "session_open", "session_close"}


def test_what_bars_do_not_have_is_not_in_their_bytes_and_what_they_have_is_in_the_hash() -> None:
    bars = with_everything()
    parts = {name: replace(bars, **{name: None}) for name in ("spread", "factor", "sessions")}
    assert bars.sessions is not None
    later = SessionTable(bars.sessions.open, bars.sessions.close + np.timedelta64(1, "ns"))
    others = [bars, *parts.values(), replace(bars, sessions=later), replace(bars, factor=np.array([0.5, 1.0, 0.9]))]
    assert len({encode_bars(other) for other in others}) == len(others)
    plain = replace(bars, spread=None, factor=None, sessions=None)
    assert encode_bars(plain) == encode_bars(bars_of(np.arange(1.0, 16.0).reshape(3, 5)))
    assert hash_bars(bars, {"declared": "x"}) == sha256_hex(encode_bars(bars, {"declared": "x"}))


def test_zeros_and_gaps_have_one_form() -> None:
    odd_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    plain = bars_of(np.array([[1.0, 1.0, 1.0, 0.0, np.nan]]))
    odd = bars_of(np.array([[1.0, 1.0, 1.0, -0.0, odd_nan]]))
    assert encode_bars(plain) == encode_bars(odd)


def test_a_stored_slice_is_read_back_and_a_torn_one_is_not(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    sha256 = write_slice(artifacts, bars_of(np.arange(1.0, 11.0).reshape(2, 5)))
    assert len(read_slice(artifacts, sha256)) == 2
    path = artifacts.path(sha256)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="corrupt"):
        read_slice(artifacts, sha256)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        (2).to_bytes(8, "little") + b"{}",
        encode_bars(bars_of(np.ones((2, 5))))[:-8],
        encode_bars(bars_of(np.ones((2, 5)))).replace(b"nullalpha-bars-1", b"nullalpha-bars-9"),
    ],
    ids=["empty", "short", "no_columns", "cut", "other_form"],
)
def test_bytes_that_are_no_bars_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        decode_bars(data)


def test_a_worker_reads_slices_without_loading_tables_or_calendars() -> None:
    code = "import sys, nullalpha.data.slices; print(sorted({'pandas', 'pyarrow', 'exchange_calendars'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
