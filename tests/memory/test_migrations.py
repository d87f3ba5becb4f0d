"""A ledger of an earlier version: opened here, it is brought up to date and keeps every row."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from nullalpha.memory.ledger import SCHEMA_REVISION
from nullalpha.memory.migrate import upgrade
from nullalpha.memory.stores import Stores
from nullalpha.memory.tables import metadata
from tests.support.ledger_state import design, put_campaign

EXPERIMENT: dict[str, Any] = {
    "id": "e-old",
    "campaign_id": None,
    "ordinal": 1,
    "generation": 0,
    "slot": 0,
    "attempt": 0,
    "designer": "person",
    "actor": "cli",
    "name": "an old one",
    "hypothesis": "Prices return to their average, says Ω.",
    "fingerprint": "ab" * 32,
    "registration": "cd" * 32,
    "instruments": json.dumps(["SPX"]),
    "document": json.dumps({"name": "an old one", "decision": {"long_above": 0.1}}),
    "draft": None,
    "parameters": json.dumps({"x": 0.1}),
    "issues": json.dumps([{"path": "features", "code": "unused_feature"}]),
    "created": "2026-01-02T03:04:05.000006+00:00",
}


@pytest.fixture
def old_ledger(home: Path) -> Path:
    """The file of a ledger at the first revision, with an experiment and its result."""
    home.mkdir()
    path = home / "ledger.db"
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            f"INSERT INTO experiments ({', '.join(EXPERIMENT)}) VALUES ({', '.join('?' * len(EXPERIMENT))})", [*EXPERIMENT.values()]
        )
        columns = [row[1] for row in connection.execute("PRAGMA table_info(results)")]
        result = {"experiment_id": "e-old", "stage": "search", "status": "done", "body": '{"metrics": {"sharpe": 0.5}}'}
        result |= {name: EXPERIMENT["created"] for name in columns if name == "created"}
        connection.execute(f"INSERT INTO results ({', '.join(result)}) VALUES ({', '.join('?' * len(result))})", [*result.values()])
        connection.commit()
    return path


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the two tables, past all code of the lab, in the columns of the first revision."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            "experiments": connection.execute(f"SELECT {', '.join(EXPERIMENT)} FROM experiments").fetchall(),
            "results": connection.execute("SELECT experiment_id, stage, status, body FROM results").fetchall(),
        }


def test_a_ledger_of_the_first_version_is_brought_up_to_date_and_keeps_its_rows(old_ledger: Path) -> None:
    before = rows_of(old_ledger)
    stores = Stores.open(old_ledger)
    assert stores.ledger.revision() == SCHEMA_REVISION
    with stores.ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    row = stores.experiments.get("e-old")
    result = stores.experiments.result("e-old", "search")
    stores.ledger.close()
    assert rows_of(old_ledger) == before
    assert (row.hypothesis, row.instruments, row.ordinal) == (EXPERIMENT["hypothesis"], ["SPX"], 1)
    assert row.document == json.loads(EXPERIMENT["document"])
    assert row.structure is None
    assert result is not None
    assert result.body == {"metrics": {"sharpe": 0.5}}


def test_what_comes_after_an_upgrade_stands_beside_what_was_there(old_ledger: Path) -> None:
    stores = Stores.open(old_ledger)
    put_campaign(stores)
    stores.experiments.register([replace(design("e-new"), structure={"model rules": 2.0})])
    assert [(row.id, row.ordinal, row.structure) for row in stores.experiments.all()] == [
        ("e-old", 1, None),
        ("e-new", 2, {"model rules": 2.0}),
    ]
    stores.ledger.close()


def test_an_upgraded_ledger_is_upgraded_once(old_ledger: Path) -> None:
    Stores.open(old_ledger).ledger.close()
    content = old_ledger.read_bytes()
    again = Stores.open(old_ledger)
    assert again.ledger.revision() == SCHEMA_REVISION
    again.ledger.close()
    assert rows_of(old_ledger)["experiments"]
    assert old_ledger.read_bytes() == content
