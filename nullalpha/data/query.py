"""Questions to bars in SQL, asked of an in-memory database in a process of its own that can reach nothing else.

Before it sees the question, DuckDB's access to files, network and extensions is closed, its memory and threads are limited, nothing spills
to disk, and the configuration is locked. Then it is given the relations that the question names and no others. One SELECT a call. At its
deadline it is interrupted and, where a single function holds on (`lpad('x', 2000000000, 'y')`), its process is killed.
Source: DuckDB's guide to securing it (external access, locked configuration).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa

from nullalpha.core.errors import NotFoundError, UsageError, nearest
from nullalpha.data.bars import Bars

SECONDS = 10.0
START_SECONDS = 30.0
LOAD_SECONDS = 30.0
GRACE_SECONDS = 0.3
MAX_ROWS = 200
MAX_SECONDS = 60.0
MAX_SQL = 20_000
_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")

Loader = Callable[[], pa.Table]


class QueryError(UsageError):
    """The question cannot be answered: no single SELECT, broken SQL, or over a limit."""

    code = "query"


@dataclass(frozen=True)
class QueryResult:
    """An answer.

    Attributes:
        columns: names, as the question gave them.
        rows: plain JSON values; times as ISO 8601 in UTC, what is no number as null.
        truncated: whether there were more than `max_rows` rows.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: bool


def bars_table(bars: Bars) -> pa.Table:
    """Return bars as a relation: instrument, timeframe, time (UTC), open, high, low, close, volume, spread, factor."""
    n = len(bars)
    missing = np.full(n, np.nan)
    columns = {
        "instrument": pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int8)), [bars.instrument]).cast(pa.string()),
        "timeframe": pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int8)), [bars.timeframe]).cast(pa.string()),
        "time": pa.array(bars.time.astype("datetime64[us]").astype(np.int64), pa.timestamp("us")),
    }
    for name in ("open", "high", "low", "close", "volume"):
        columns[name] = pa.array(getattr(bars, name), pa.float64(), from_pandas=True)
    columns["spread"] = pa.array(missing if bars.spread is None else bars.spread, pa.float64(), from_pandas=True)
    columns["factor"] = pa.array(np.ones(n) if bars.factor is None else bars.factor, pa.float64())
    return pa.table(columns)


def query(sql: str, relations: Mapping[str, Loader], *, max_rows: int = MAX_ROWS, seconds: float = SECONDS) -> QueryResult:
    """Answer one SELECT.

    Args:
        relations: what may be named in FROM, loaded only if it is. A name is first looked for as it is written, then without case.
        max_rows: rows returned at most.
        seconds: wall clock for reading the question and answering it; loading is not counted.
    Raises:
        QueryError: if it is no single SELECT, is broken, names what may be either of two, or exceeds time, memory or the answer's size.
        NotFoundError: if it names a relation that is not there.
    """
    if len(sql) > MAX_SQL:
        raise QueryError(f"the question is {len(sql)} characters long; at most {MAX_SQL}", path="sql", value=len(sql))
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"the question is no text: {error.reason} at character {error.start}", path="sql") from error
    with _Process(sql, max_rows, seconds) as process:
        found = {name: key for name in process.names() if (key := _resolved(name, relations)) is not None}
        answer = process.answer({name: relations[key]() for name, key in found.items()}, list(relations))
    return QueryResult(tuple(answer["columns"]), tuple(tuple(row) for row in answer["rows"]), answer["truncated"])


class _Process:
    """A process of its own for one question: it says what the question names, is given that, and answers."""

    def __init__(self, sql: str, max_rows: int, seconds: float) -> None:
        self._sql, self._left = sql, seconds
        package = str(Path(__file__).parents[2])
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nullalpha.data.query_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**{key: value for key, value in os.environ.items() if key in _KEPT}, "PYTHONPATH": path},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._question = json.dumps({"sql": sql, "max_rows": max_rows, "seconds": seconds}).encode()

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._in.close()
        self._out.close()
        self._process.wait()

    def names(self) -> list[str]:
        """Return what the question names."""
        with self._within(START_SECONDS, "it did not start"):
            self._heard()
        began = monotonic()
        with self._within(self._left + GRACE_SECONDS):
            self._send(len(self._question).to_bytes(8, "little") + self._question)
            names: list[str] = self._heard()["names"]
        self._left = max(0.0, self._left - (monotonic() - began))
        return names

    def answer(self, tables: Mapping[str, pa.Table], known: Sequence[str]) -> dict[str, Any]:
        """Give the relations, by the names that the question has for them, and return the answer."""
        with self._within(LOAD_SECONDS, "its relations are too large"):
            self._send(json.dumps(list(tables)).encode() + b"\n")
            for table in tables.values():
                with suppress(BrokenPipeError), pa.ipc.new_stream(self._in, table.schema) as stream:
                    stream.write_table(table)
            self._send(b"")
            self._heard()
        with self._within(self._left + GRACE_SECONDS):
            return self._heard(known)

    def _send(self, data: bytes) -> None:
        with suppress(BrokenPipeError):
            self._in.write(data)
            self._in.flush()

    @contextmanager
    def _within(self, seconds: float, otherwise: str = "it takes too long, or too much memory") -> Iterator[None]:
        """Kill the process if what is done here is not done in time; an end without an answer is a refusal."""
        killer = threading.Timer(seconds, self._process.kill)
        killer.start()
        try:
            yield
        except EOFError as error:
            fix = "ask for less, or add a WHERE or LIMIT"
            raise QueryError(f"the question was stopped: {otherwise}", path="sql", value=self._sql[:120], suggestion=fix) from error
        finally:
            killer.cancel()

    def _heard(self, known: Sequence[str] = ()) -> dict[str, Any]:
        """Return the next line that the process says."""
        text = self._out.readline()
        if not text.endswith(b"\n"):
            raise EOFError
        said: dict[str, Any] = json.loads(text)
        if "unknown" in said:
            raise _unknown(said["unknown"], known)
        if "error" in said:
            raise QueryError(said["error"], path="sql", value=self._sql[:120], suggestion=said["suggestion"])
        return said


def _resolved(name: str, relations: Mapping[str, Loader]) -> str | None:
    """Return the relation that a name means; None if it means none, as one that the question itself defines."""
    if name in relations:
        return name
    alike = [known for known in relations if known.lower() == name.lower()]
    if len(alike) > 1:
        raise QueryError(
            f"{name!r} may be {' or '.join(alike)}", path="sql", value=name, suggestion="write it with its own capital letters"
        )
    return alike[0] if alike else None


def _unknown(name: str, known: Sequence[str]) -> NotFoundError:
    """Return the refusal of a name; one with a dot that is there as a whole was read as two."""
    if name in known:
        fix = f'write "{name}", in double quotes'
    else:
        near = nearest(name, known) or nearest(name.upper(), known)
        fix = f"did you mean {near}?" if near else f"there is {', '.join(known[:12])}"
    return NotFoundError(f"there is no relation {name!r}", path="sql", value=name, suggestion=fix)
