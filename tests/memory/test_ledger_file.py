"""The ledger's file: its schema, its rules on every connection, what it refuses, and two processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from nullalpha.core.errors import HomeError, NotFoundError
from nullalpha.memory.ledger import SCHEMA_REVISION, Ledger
from nullalpha.memory.stores import Stores
from nullalpha.memory.tables import metadata
from tests.support.ledger_state import put_campaign
from tests.support.tiny_disk import can_mount, on_tiny_disk


def test_the_migrations_make_exactly_the_tables_that_the_code_reads(stores: Stores) -> None:
    with stores.ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    assert stores.ledger.revision() == SCHEMA_REVISION


def test_every_foreign_key_and_unique_rule_of_the_code_is_in_the_file(stores: Stores) -> None:
    with closing(sqlite3.connect(stores.ledger.path)) as connection:
        for table in metadata.sorted_tables:
            found = {(row[3], row[2], row[4]) for row in connection.execute(f"PRAGMA foreign_key_list({table.name})")}
            assert found == {(key.parent.name, key.column.table.name, key.column.name) for key in table.foreign_keys}, table.name
        insert = (
            "INSERT INTO operations (id, key, kind, status, epoch, attempts, created, updated, summary) "
            "VALUES (?, 'same', 'warm', 'done', 1, 1, '', '', '{}')"
        )
        connection.execute(insert, ("o-1",))
        with pytest.raises(sqlite3.IntegrityError, match=r"operations\.key"):
            connection.execute(insert, ("o-2",))


def test_a_ledger_opened_again_holds_what_was_written(stores: Stores) -> None:
    put_campaign(stores)
    stores.ledger.close()
    again = Stores.open(stores.ledger.path)
    assert again.campaigns.get("c-1").config["seed"] == 7
    again.ledger.close()


def test_the_rules_of_durability_hold_on_every_connection(stores: Stores) -> None:
    seen = []
    barrier = threading.Barrier(6)

    def look() -> None:
        with stores.ledger.read() as connection:
            barrier.wait(timeout=30)  # six connections are open at once
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            seen.append(tuple(connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("wal", 2, 1, 10000)] * 6  # synchronous 2 is FULL


def test_a_row_that_points_nowhere_is_refused(stores: Stores) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        stores.campaigns.emit("c-none", "stage", {})


def test_an_error_inside_a_write_undoes_all_of_it(stores: Stores) -> None:
    def half_way() -> None:
        with stores.ledger.write() as connection:
            connection.execute(text("UPDATE campaigns SET status = 'done'"))
            connection.execute(text("DELETE FROM campaign_events"))
            raise NotFoundError("half way")

    put_campaign(stores)
    with pytest.raises(NotFoundError, match="half way"):
        half_way()
    assert stores.campaigns.get("c-1").status == "queued"
    assert [event.kind for event in stores.campaigns.events("c-1")] == ["status"]


def test_a_reader_sees_one_state_while_another_writes(stores: Stores) -> None:
    put_campaign(stores)
    with stores.ledger.read() as connection:
        before = connection.execute(text("SELECT status FROM campaigns")).scalar_one()
        stores.campaigns.set_status("c-1", "running")
        assert connection.execute(text("SELECT status FROM campaigns")).scalar_one() == before == "queued"
    assert stores.campaigns.get("c-1").status == "running"


@pytest.mark.parametrize("content", [b"these bytes are no database " * 100, b"SQLite format 3\x00" + b"\x00" * 500])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "ledger.db").write_bytes(content)
    with pytest.raises(HomeError) as caught:
        Ledger.open(home / "ledger.db")
    assert caught.value.path == str(home / "ledger.db")
    assert (home / "ledger.db").read_bytes() == content


def test_another_programs_database_is_refused_and_gets_no_tables(home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()
    with pytest.raises(HomeError, match="recipes"):
        Ledger.open(home / "ledger.db")
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_a_ledger_of_a_newer_version_is_refused_by_its_revision(stores: Stores) -> None:
    stores.ledger.close()
    with closing(sqlite3.connect(stores.ledger.path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(HomeError, match="9999"):
        Ledger.open(stores.ledger.path)


def test_a_home_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(HomeError, match="cannot be created") as caught:
            Ledger.open(home / "ledger.db")
        assert "--home" in str(caught.value.suggestion)


def test_a_folder_in_the_ledgers_place_is_refused(home: Path) -> None:
    (home / "ledger.db").mkdir(parents=True)
    with pytest.raises(HomeError, match="cannot be opened"):
        Ledger.open(home / "ledger.db")


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs user namespaces")
def test_a_full_disk_is_a_typed_error_and_loses_no_acknowledged_row(tmp_path: Path) -> None:
    seen = on_tiny_disk("ledger", tmp_path / "disk")
    assert seen["error"]["code"] == "storage_full"
    assert seen["acknowledged"] > 50
    assert seen["complete"]


def test_two_processes_that_open_a_new_home_and_write_at_once_lose_nothing(home: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom nullalpha.memory.stores import Stores\n"
        "from tests.support.ledger_state import design\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "stores = Stores.open(Path(sys.argv[1]))\n"
        "for n in range(40):\n    stores.experiments.register([design(f'{sys.argv[2]}-{n}', None, slot=n)])\n"
        "    stores.experiments.register([design(f'both-{n}', None, slot=n)])\n"
    )
    commands = [[sys.executable, "-c", program, str(home / "ledger.db"), name] for name in ("a", "b")]
    repository = Path(__file__).parents[2]
    both = [subprocess.Popen(c, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=repository) for c in commands]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    stores = Stores.open(home / "ledger.db")
    rows = stores.experiments.all()
    stores.ledger.close()
    assert {row.id for row in rows} == {f"{name}-{n}" for name in ("a", "b", "both") for n in range(40)}
    assert [row.ordinal for row in rows] == list(range(1, 121))
