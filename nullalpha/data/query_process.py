"""The process that answers one question: `{}` when it is locked and ready, what the question names, `{}` when it has that, the answer.

Numbers, relations and the question come in on stdin, one JSON object a line goes out. It ends with its answer, or with whoever asked.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import threading
import time as clock
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

MEMORY_LIMIT = "512MB"
ADDRESS_SPACE = 4 * 1024**3
CPU_SECONDS = 60
"""Of processor time over what the question may take; past it the system ends the process, whoever else is still there to do so."""
THREADS = 2
MAX_ANSWER_BYTES = 4_000_000
_REACHES_OUT = ("Permission Error", "Missing Extension Error")
_LESS = "ask for less, or add a WHERE or LIMIT"


class _TooLongError(Exception):
    """The answer is over its limit."""


def main() -> None:
    """Get ready, read a question, say what it names, take that in, answer."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    source = sys.stdin.buffer
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}) as database:
        _lock(database)
        _say({})
        question = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        began, seconds = clock.monotonic(), float(question["seconds"])
        most = CPU_SECONDS + math.ceil(THREADS * seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        named = _named(database, question["sql"])
        spent = clock.monotonic() - began
        _say(named)
        if "error" in named:
            return
        for name in json.loads(source.readline()):
            database.register(name, pa.ipc.open_stream(source).read_all())
        _say({})
        threading.Thread(target=_end_with, args=(source,), daemon=True).start()
        _say(_answer(database, question["sql"], seconds, spent, int(question["max_rows"])))


def _say(body: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


def _end_with(source: BinaryIO) -> None:
    """Wait for the end of stdin, which comes with the end of whoever asked, and end too."""
    source.read(1)
    os._exit(1)


def _lock(database: duckdb.DuckDBPyConnection) -> None:
    for setting in (
        "temp_directory=''",
        "home_directory='/'",
        "secret_directory='/'",
        "extension_directory='/'",
        "TimeZone='UTC'",
        "enable_external_access=false",
        "python_enable_replacements=false",
        f"memory_limit='{MEMORY_LIMIT}'",
        f"threads={THREADS}",
        "max_temp_directory_size='0B'",
        "lock_configuration=true",
    ):
        database.execute(f"SET {setting}")


def _named(database: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return what a single SELECT names in FROM, as it writes it; it is parsed and nothing of it is looked up."""
    try:
        statements = database.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            found = f"{len(statements)} statements" if len(statements) != 1 else str(statements[0].type).rpartition(".")[2]
            return {"error": f"one SELECT a question, not {found}", "suggestion": "SELECT time, close FROM SPX ORDER BY time DESC LIMIT 5"}
        [(text,)] = database.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
        parsed = list(_nodes(json.loads(text)))
    except (duckdb.Error, RuntimeError, ValueError, MemoryError) as error:
        return _refusal(error)
    tables = [node for node in parsed if node.get("type") == "BASE_TABLE"]
    if not tables and any(node.get("type") == "SHOW_REF" and node.get("query") is None for node in parsed):
        return {"error": "a question sees only the relations that it names", "suggestion": "SELECT * FROM snapshots"}
    return {"names": sorted({node["table_name"] for node in tables})}


def _nodes(parsed: object) -> Iterator[dict[str, Any]]:
    """Yield every object in a parsed statement."""
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _answer(database: duckdb.DuckDBPyConnection, sql: str, seconds: float, spent: float, limit: int) -> dict[str, Any]:
    timer = threading.Timer(max(0.0, seconds - spent), database.interrupt)
    timer.daemon = True
    timer.start()
    try:
        cursor = database.execute(database.extract_statements(sql)[0])
        columns = [str(column[0]) for column in cursor.description or ()]
        rows = list(_rows(cursor, limit))
        return {"columns": columns, "rows": rows, "truncated": len(rows) == limit and cursor.fetchone() is not None}
    except duckdb.InterruptException:
        return {"error": f"stopped at its limit of {seconds:g} seconds", "suggestion": _LESS}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": f"it needs more than {MEMORY_LIMIT} of memory", "suggestion": "aggregate first"}
    except _TooLongError:
        return {"error": f"the answer has more than {MAX_ANSWER_BYTES:,} bytes", "suggestion": "ask for fewer rows, or shorter values"}
    except (duckdb.Error, RuntimeError, ValueError) as error:
        return _refusal(error)
    finally:
        timer.cancel()


def _rows(cursor: duckdb.DuckDBPyConnection, limit: int) -> Iterator[list[object]]:
    """Yield up to `limit` rows of plain values."""
    size = 0
    for _ in range(limit):
        found = cursor.fetchone()
        if found is None:
            return
        row = [plain(value) for value in found]
        size += len(json.dumps(row))
        if size > MAX_ANSWER_BYTES:
            raise _TooLongError
        yield row


def _refusal(error: Exception) -> dict[str, Any]:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, duckdb.CatalogException) and lines[0].startswith("Catalog Error: Table with name "):
        return {
            "error": lines[0][:300],
            "suggestion": None,
            "unknown": lines[0].removeprefix("Catalog Error: Table with name ").split()[0].strip('"'),
        }
    fix = next((line.strip() for line in lines if line.startswith(("Candidate bindings:", "Did you mean"))), None)
    if lines[0].startswith(_REACHES_OUT):
        fix = "a question reaches no files and no network, only the relations of this home: SELECT * FROM snapshots"
    return {"error": f"the question cannot be answered: {lines[0][:300]}", "suggestion": fix}


def plain(value: Any) -> object:
    """Return a cell as a JSON value: times as ISO 8601 in UTC, what is no number as null, bytes as hex digits."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        in_utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return in_utc.isoformat() + "Z"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


if __name__ == "__main__":
    main()
