"""The tool that answers questions in SQL about the search zone's bars: which relations there are, and what they are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from nullalpha.data.timeframes import DAILY
from nullalpha.tools.data import record_of
from nullalpha.tools.desk import Desk

if TYPE_CHECKING:
    from nullalpha.data.snapshots import Snapshot

SNAPSHOTS = "snapshots"
"""The relation that lists the others."""


class DataAnswer(BaseModel):
    """An answer to a question: no bar in it was known on or after `bars_before`."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    bars_before: str


def data_query(
    desk: Desk,
    *,
    sql: Annotated[str, Field(min_length=1, max_length=20_000)],
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = 200,
    seconds: Annotated[float, Field(gt=0, le=60)] = 10.0,
) -> DataAnswer:
    """Answer one SELECT about the bars of the search zone, in a locked-down DuckDB.

    Relations: one a series (`SPX` for daily bars, `SPX_1h` for others, `"BRK.B"` in quotes where a symbol is no single word; columns
    instrument, timeframe, time in UTC, open, high, low, close, volume, spread, factor), and `snapshots`, which lists them.
    """
    from nullalpha.data.query import query  # noqa: PLC0415  (pyarrow)
    from nullalpha.tools.bars import search_ends  # noqa: PLC0415

    found = query(sql, _relations(desk), max_rows=max_rows, seconds=seconds)
    rows = [list(row) for row in found.rows]
    return DataAnswer(columns=list(found.columns), rows=rows, truncated=found.truncated, bars_before=search_ends(desk)[-1])


def _relations(desk: Desk) -> dict[str, Callable[[], Any]]:
    """Return what may be asked: the latest snapshot of each series, up to the end of the search zone, and the list of them.

    A series of a symbol that is no single word also has a name with `_` for its odd characters, where nothing else has that name.
    """
    named = {relation_name(snapshot): snapshot for snapshot in desk.catalogue.series()}
    plain = Counter(_as_word(name).lower() for name in named)
    aliases = {_as_word(name): snapshot for name, snapshot in named.items() if plain[_as_word(name).lower()] == 1}
    relations: dict[str, Callable[[], Any]] = {
        name: partial(_bars_relation, desk, snapshot) for name, snapshot in {**aliases, **named}.items()
    }
    return {SNAPSHOTS: partial(_snapshot_relation, named), **relations}


def relation_name(snapshot: Snapshot) -> str:
    """Return what a snapshot's bars are called in a question: the symbol of daily bars, else `SYMBOL_timeframe`."""
    symbol = snapshot.instrument.symbol
    return symbol if snapshot.timeframe == DAILY and symbol.lower() != SNAPSHOTS else f"{symbol}_{snapshot.timeframe}"


def _as_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _bars_relation(desk: Desk, snapshot: Snapshot) -> Any:
    from nullalpha.data.query import bars_table  # noqa: PLC0415
    from nullalpha.tools.bars import bars_of  # noqa: PLC0415

    return bars_table(bars_of(desk, snapshot))


def _snapshot_relation(named: Mapping[str, Snapshot]) -> Any:
    """Return the list of relations; `relation` is a name as it is written in a question."""
    import pyarrow as pa  # noqa: PLC0415

    written = {name: name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'"{name}"' for name in named}
    return pa.Table.from_pylist([{"relation": written[name], **record_of(s).model_dump(exclude={"costs"})} for name, s in named.items()])
