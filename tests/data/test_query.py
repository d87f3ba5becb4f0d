"""Questions in SQL: what they answer, and that nothing hostile reaches beyond the relations that it names or outlives its limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import NotFoundError
from nullalpha.data.bars import Bars
from nullalpha.data.query import MAX_SQL, Loader, QueryError, QueryResult, bars_table, query
from nullalpha.data.query_process import plain
from tests.support.recorded_service import Answer, recorded_service
from tests.support.waiting import wait_until

DAYS = np.array(["2024-01-02T21:00", "2024-01-03T21:00", "2024-01-04T21:00"], dtype="datetime64[ns]")


def bars(symbol: str, closes: list[float], volume: float = 1000.0) -> Bars:
    close = np.array(closes)
    return Bars(symbol, "1d", DAYS, close - 1, close + 1, close - 2, close, np.array([volume, np.nan, volume]))


ACME, OTHER = bars("ACME", [10.0, 11.0, 12.5]), bars("OTHER", [20.0, 19.0, 18.0])
RELATIONS: Mapping[str, Loader] = {
    "ACME": lambda: bars_table(ACME),
    "OTHER": lambda: bars_table(OTHER),
    "BRK.B": lambda: bars_table(bars("BRK.B", [1.0, 2.0, 3.0])),
}


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Whatever a question does, its process is gone when it has been answered or refused."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def ask(sql: str, relations: Mapping[str, Loader] = RELATIONS, **limits: float) -> QueryResult:
    return query(sql, relations, **{"seconds": 20.0, **limits})  # type: ignore[arg-type]


def refusal(sql: str, **limits: float) -> QueryError:
    with pytest.raises(QueryError) as caught:
        ask(sql, **limits)
    assert caught.value.code == "query"
    assert caught.value.path == "sql"
    return caught.value


def test_bars_are_answered_with_times_in_utc_and_what_is_missing_as_null() -> None:
    answer = ask("SELECT * FROM ACME ORDER BY time LIMIT 2")
    assert answer.columns == ("instrument", "timeframe", "time", "open", "high", "low", "close", "volume", "spread", "factor")
    assert answer.rows == (
        ("ACME", "1d", "2024-01-02T21:00:00Z", 9.0, 11.0, 8.0, 10.0, 1000.0, None, 1.0),
        ("ACME", "1d", "2024-01-03T21:00:00Z", 10.0, 12.0, 9.0, 11.0, None, None, 1.0),
    )
    assert not answer.truncated


def test_spread_and_factor_are_given_where_bars_have_them() -> None:
    quoted = Bars("EUR", "1h", DAYS, *(np.full(3, 1.1),) * 5, spread=np.array([0.1, np.nan, 0.3]), factor=np.array([0.5, 0.5, 1.0]))
    answer = ask("SELECT spread, factor FROM EUR", {"EUR": lambda: bars_table(quoted)})
    assert answer.rows == ((0.1, 0.5), (None, 0.5), (0.3, 1.0))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*), avg(close) FROM acme WHERE time >= '2024-01-03'", ((2, 11.75),)),
        ("SELECT a.close * o.close FROM ACME a JOIN OTHER o USING (time) ORDER BY time", ((200.0,), (209.0,), (225.0,))),
        ("SELECT count(*) FROM ACME NATURAL JOIN (SELECT time FROM OTHER)", ((3,),)),
        ("SELECT max(a.close) FROM ACME a ASOF JOIN OTHER o USING (time) WHERE o.close < 20", ((12.5,),)),
        ("WITH up AS (SELECT * FROM ACME WHERE close > open) SELECT count(*) FROM up", ((3,),)),
        ("WITH ACME AS (SELECT 7 AS x) SELECT x FROM ACME", ((7,),)),
        ("SELECT (SELECT min(close) FROM OTHER) FROM ACME LIMIT 1", ((18.0,),)),
        ("SELECT close FROM main.ACME WHERE EXISTS (FROM OTHER WHERE OTHER.close = 19) ORDER BY 1 DESC LIMIT 1", ((12.5,),)),
        ("FROM ACME SELECT year(time), count(*) GROUP BY ALL", ((2024, 3),)),
        ("SELECT * EXCLUDE (instrument, timeframe, time, spread, factor, volume, open, high, low) FROM ACME", ((10.0,), (11.0,), (12.5,))),
        ('SELECT sum(close) FROM "BRK.B" -- and a comment', ((6.0,),)),
        ("SELECT close - lag(close) OVER (ORDER BY time) FROM ACME", ((None,), (1.0,), (1.5,))),
        ("VALUES (1), (2)", ((1,), (2,))),
        ("SELECT column_name FROM (DESCRIBE ACME) LIMIT 1", (("instrument",),)),
    ],
)
def test_ordinary_sql_is_answered(sql: str, rows: tuple[tuple[object, ...], ...]) -> None:
    assert ask(sql).rows == rows


def test_a_relation_is_loaded_only_if_it_is_named() -> None:
    def refuse() -> pa.Table:
        raise AssertionError("nobody named it")

    assert ask("SELECT count(*) FROM ACME", {**RELATIONS, "OTHER": refuse}).rows == ((3,),)


def test_more_rows_than_asked_for_are_cut_and_said() -> None:
    assert ask("SELECT close FROM ACME ORDER BY time", max_rows=2) == QueryResult(("close",), ((10.0,), (11.0,)), truncated=True)
    assert not ask("SELECT close FROM ACME", max_rows=3).truncated
    assert ask("SELECT * FROM range(10000000000)", max_rows=2).rows == ((0,), (1,))


def test_values_that_json_has_no_words_for_become_ones_that_it_has() -> None:
    answer = ask(
        "SELECT 'nan'::DOUBLE, '-inf'::DOUBLE, [1.0, 'nan'::DOUBLE], {'day': DATE '2024-02-29'}, MAP {'a': 1}, INTERVAL 90 MINUTE,"
        " TIME '10:30', '\\xAB'::BLOB, TIMESTAMPTZ '2024-01-01 00:00:00+02', TIMESTAMP '2024-01-01 12:00', 1.25::DECIMAL(6, 2),"
        " 1::HUGEINT << 100, true, NULL"
    )
    assert answer.rows == (
        (
            None,
            None,
            [1.0, None],
            {"day": "2024-02-29"},
            {"a": 1},
            5400.0,
            "10:30:00",
            "ab",
            "2023-12-31T22:00:00Z",
            "2024-01-01T12:00:00Z",
            1.25,
            2**100,
            True,
            None,
        ),
    )


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=st.just(timezone(timedelta(hours=5))))
    | st.timedeltas()
)


@given(
    st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.dates(), inner) | st.tuples(inner), max_leaves=8)
)
def test_every_cell_becomes_strict_json(value: object) -> None:
    json.dumps(plain(value), allow_nan=False)


def test_times_with_a_zone_are_given_in_utc() -> None:
    assert plain(datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))) == "2024-07-01T10:00:00Z"
    assert plain(datetime(2024, 7, 1, 12, tzinfo=UTC)) == plain(datetime(2024, 7, 1, 12)) == "2024-07-01T12:00:00Z"  # noqa: DTZ001
    assert [plain(value) for value in (date(2024, 7, 1), time(9, 30), Decimal("NaN"))] == ["2024-07-01", "09:30:00", None]


def test_a_relation_that_is_not_there_is_refused_with_the_nearest() -> None:
    for sql, name, fix in (
        ("SELECT * FROM ACMEE", "ACMEE", "did you mean ACME?"),
        ("SELECT * FROM zzz", "zzz", "there is ACME, OTHER, BRK.B"),
        ("SELECT * FROM BRK.B", "BRK.B", 'write "BRK.B", in double quotes'),
        ("SELECT * FROM ACME JOIN zzz USING (time)", "zzz", "there is ACME, OTHER, BRK.B"),
    ):
        with pytest.raises(NotFoundError) as caught:
            ask(sql)
        assert (caught.value.value, caught.value.suggestion) == (name, fix), sql


def test_of_names_that_differ_in_capitals_alone_none_stands_in_for_another() -> None:
    first, second = bars("A", [1.0, 1.0, 1.0]), bars("B", [2.0, 2.0, 2.0])
    relations: Mapping[str, Loader] = {"SPX_1h": lambda: bars_table(first), "SPX_1H": lambda: bars_table(second)}
    assert ask("SELECT max(close) FROM SPX_1h", relations).rows == ((1.0,),)
    assert ask("SELECT max(close) FROM SPX_1H", relations).rows == ((2.0,),)
    with pytest.raises(QueryError, match="may be SPX_1h or SPX_1H"):
        ask("SELECT max(close) FROM spx_1h", relations)


def test_a_column_that_is_not_there_is_refused_with_those_that_are_near() -> None:
    error = refusal("SELECT closs FROM ACME")
    assert "closs" in error.message
    assert "close" in str(error.suggestion)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("ATTACH '/tmp/x.db'", "ATTACH"),
        ("SET memory_limit = '8GB'", "SET"),
        ("RESET memory_limit", "SET"),
        ("PRAGMA database_list", "PRAGMA"),
        ("CALL pragma_version()", "CALL"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("CREATE MACRO f(x) AS x", "CREATE"),
        ("DROP TABLE ACME", "DROP"),
        ("INSERT INTO ACME VALUES (1)", "INSERT"),
        ("EXPORT DATABASE '/tmp/x'", "EXPORT"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
        ("BEGIN", "TRANSACTION"),
        ("PIVOT ACME ON instrument USING sum(close)", "MULTI"),
    ],
)
def test_what_is_no_single_select_is_refused_by_its_name(sql: str, found: str) -> None:
    error = refusal(sql)
    assert error.message == f"one SELECT a question, not {found}"
    assert str(error.suggestion).startswith("SELECT")


def test_a_list_of_tables_points_to_the_relation_that_lists_them() -> None:
    assert refusal("SHOW TABLES").suggestion == "SELECT * FROM snapshots"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT getenv('SECRET_OF_THE_TEST')",
        "SELECT * FROM sqlite_scan('{file}', 'x')",
        "SELECT * FROM postgres_scan('', 'a', 'b')",
        "SELECT * FROM '{file}'",
        'SELECT * FROM "{file}"',
        "SELECT * FROM read_csv('/proc/self/environ')",
        "SELECT * FROM enable_logging()",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
    ],
)
def test_files_and_the_environment_are_out_of_reach(sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_TEST", "a-secret")
    file = tmp_path / "secret.csv"
    file.write_text("word\na-secret\n")
    with pytest.raises((QueryError, NotFoundError)) as caught:
        ask(sql.format(file=file, folder=tmp_path))
    assert "a-secret" not in f"{caught.value.message} {caught.value.suggestion}"
    assert sorted(os.listdir(tmp_path)) == ["secret.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{base}/x.csv')",
        "SELECT * FROM '{base}/x.parquet'",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT * FROM read_json('{base}/x.json')",
    ],
)
def test_the_network_is_out_of_reach(sql: str) -> None:
    with recorded_service(lambda _: Answer("a,b\n1,2\n", kind="text/csv")) as service:
        error = refusal(sql.format(base=service.base))
    assert service.seen == []
    assert "no network" in str(error.suggestion)


@pytest.mark.parametrize("name", ["received", "bars", "pd", "RELATIONS"])
def test_nothing_of_python_is_a_relation(name: str) -> None:
    with pytest.raises(NotFoundError):
        ask(f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(random()) FROM range(1000000000000)",
        "SELECT count(*) FROM ACME a, range(10000000) b, range(10000000) c WHERE a.close + b.range + c.range < 0",
        "SELECT lpad('x', 2000000000, 'y')",
        "SELECT printf('%2000000000d', 1)",
        "SELECT md5(repeat('x', 1000000) || range::VARCHAR) FROM range(10000000)",
    ],
    ids=["recursion", "endless sum", "cross join", "lpad", "printf", "hashes"],
)
def test_a_question_without_end_is_stopped_at_its_limit(sql: str) -> None:
    error = refusal(sql, seconds=0.5)
    assert "stopped" in error.message or "memory" in error.message
    assert error.suggestion


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 3000000000))",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT string_agg(repeat('x', 100000)) FROM range(100000)",
        "SELECT list_sort(range(300000000))",
        "SELECT a.range FROM range(50000000) a ORDER BY random()",
    ],
    ids=["string", "list", "aggregate", "sort", "order by"],
)
def test_a_question_that_wants_all_memory_is_refused(sql: str) -> None:
    assert "memory" in refusal(sql).message


def test_an_answer_too_large_to_send_is_refused() -> None:
    assert "4,000,000 bytes" in refusal("SELECT repeat('x', 100000) FROM range(100)", max_rows=100).message
    assert "4,000,000 bytes" in refusal("SELECT repeat('x', 5000000)").message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "+".join(["1"] * 9000),
        "SELECT " + "[" * 5000 + "]" * 5000,
        "SELECT 1 WHERE " + "NOT " * 4000 + "true",
        "SELECT * FROM (" * 1000 + "SELECT 1" + ")" * 1000,
        "SELECT '",
        'SELECT "',
        "SELECT \x00",
        "SELECT ?",
        "SELECT $name",
        "SELEC 1",
        "SELECT '\ud800'",
        "SELECT 1 " * 100,
    ],
    ids=lambda sql: repr(sql[:14]),
)
def test_what_cannot_be_read_is_refused_and_never_a_trace(sql: str) -> None:
    error = refusal(sql)
    assert error.message
    assert "Traceback" not in error.message


def test_a_question_of_more_characters_than_the_limit_is_not_even_read() -> None:
    assert str(MAX_SQL) in refusal("SELECT 1" + " " * MAX_SQL).message


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=60))
def test_any_text_at_all_is_answered_or_refused(text: str) -> None:
    with suppress(QueryError, NotFoundError):
        ask(f"SELECT {text}")


def test_the_configuration_shows_that_all_doors_are_closed() -> None:
    settings = dict(
        ask(
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access', 'lock_configuration', 'threads',"
            " 'autoinstall_known_extensions', 'autoload_known_extensions', 'python_enable_replacements', 'TimeZone')"
        ).rows
    )
    assert settings == {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "threads": "2",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "TimeZone": "UTC",
    }


def test_modules_of_the_folder_that_one_works_in_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "duckdb.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    assert ask("SELECT 1").rows == ((1,),)


def test_a_question_ends_with_whoever_asked_it() -> None:
    asking = "from nullalpha.data.query import query; query('SELECT sum(random()) FROM range(1000000000000)', {}, seconds=60)"
    with subprocess.Popen([sys.executable, "-c", asking], stderr=subprocess.DEVNULL) as asker:
        wait_until(psutil.Process(asker.pid).children, "the process that answers")
        (answering,) = psutil.Process(asker.pid).children()
        wait_until(lambda: answering.cpu_times().user > 1.0, "its computing")
        asker.kill()
        assert psutil.wait_procs([answering], timeout=10) == ([answering], [])
