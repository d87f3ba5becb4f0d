"""Checkpoints live in the ledger's file, survive, and run nothing that somebody wrote into them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, TypedDict

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph

from nullalpha.graphs.checkpoints import open_checkpoints
from nullalpha.memory.ledger import Ledger

CONSTRUCTOR_WITH_ONE_ARGUMENT = 0


class Counter(TypedDict):
    n: int


def counting_graph() -> StateGraph[Any, Any, Any, Any]:
    graph = StateGraph(Counter)
    graph.add_node("first", lambda state: {"n": state["n"] + 1})
    graph.add_node("second", lambda state: {"n": state["n"] + 10})
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph


def forged(target: Path) -> bytes:
    """Return a checkpoint value that names a call: `pathlib.Path(target).touch`'s cousin, `os.mkdir(target)`."""
    call = ormsgpack.packb(("os", "mkdir", str(target)))
    return ormsgpack.packb(ormsgpack.Ext(CONSTRUCTOR_WITH_ONE_ARGUMENT, call))


def test_checkpoints_share_the_ledgers_file_and_its_durability(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    config: Any = {"configurable": {"thread_id": "c-1"}}
    with open_checkpoints(path) as saver:
        assert saver.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert saver.conn.execute("PRAGMA synchronous").fetchone() == (2,)
        counting_graph().compile(checkpointer=saver, interrupt_before=["second"]).invoke({"n": 0}, config, durability="sync")
    with open_checkpoints(path) as saver:
        graph = counting_graph().compile(checkpointer=saver)
        assert graph.get_state(config).values == {"n": 1}
        assert graph.invoke(None, config, durability="sync") == {"n": 11}
    with sqlite3.connect(path) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"campaigns", "checkpoints"} <= tables


def test_a_forged_value_would_run_where_types_are_not_restricted(tmp_path: Path) -> None:
    target = tmp_path / "made-by-a-checkpoint"
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", forged(target)))
    assert target.exists(), "the forgery is real: without this the next test proves nothing"


def test_a_forged_checkpoint_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made-by-a-checkpoint"
    path = tmp_path / "ledger.db"
    config: Any = {"configurable": {"thread_id": "c-1"}}
    with open_checkpoints(path) as saver:
        counting_graph().compile(checkpointer=saver).invoke({"n": 0}, config, durability="sync")
        saver.conn.execute("UPDATE checkpoints SET type = 'msgpack', checkpoint = ?", (forged(target),))
        saver.conn.execute("UPDATE writes SET type = 'msgpack', value = ?", (forged(target),))
        saver.conn.commit()
        with pytest.raises(Exception, match=r".*"):
            counting_graph().compile(checkpointer=saver).invoke(None, config, durability="sync")
    assert not target.exists()
