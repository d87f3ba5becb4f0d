"""Accounts, orders and trades as tables, and tables as files that other programs read: parquet and CSV. Times are UTC."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nullalpha.engines.order_log import StoredAccount

Table = Mapping[str, NDArray[Any]]
"""Columns of one length; times are datetime64[ns]."""


def account_table(account: StoredAccount) -> Table:
    """Return a row a bar: money in currency; returns over the bar and exposure at its close as fractions of equity."""
    return {
        "time": account.time,
        "equity": account.equity,
        "cash": account.cash,
        "returns": account.returns,
        "exposure": account.exposure,
    }


def orders_table(account: StoredAccount) -> Table:
    """Return a row a fill, as the log has it: prices and signed units of the adjusted bars; `held` is the units after it."""
    from nullalpha.engines.backtest.orders import order_table  # noqa: PLC0415  (numba is loaded only where orders are read)

    columns = dict(order_table(account.orders, account.instruments))
    time, instrument = columns.pop("time"), columns.pop("instrument")
    side = np.where(account.orders["units"] > 0.0, "buy", "sell")
    return {"time": time, "instrument": instrument, "side": side, **columns}


def trades_table(account: StoredAccount) -> Table:
    """Return a row a round trip, at the prices and in the units of its own days; the times are those of its bars."""
    from nullalpha.engines.backtest.kernel import REASONS  # noqa: PLC0415

    trades = account.trades
    number = trades["instrument"].astype(np.int64)
    times = [account.bars(index).time for index in range(len(account.instruments))]
    entered, left = (
        np.array([times[i][int(row)] for i, row in zip(number, trades[name], strict=True)], dtype="datetime64[ns]")
        for name in ("entry_row", "exit_row")
    )
    plain = ("units", "exit_units", "entry_price", "exit_price", "pnl", "fees", "income", "mae", "mfe")
    return {
        "instrument": np.array(account.instruments, dtype=np.str_)[number],
        "entry_time": entered,
        "exit_time": left,
        "side": np.where(trades["side"] > 0, "long", "short"),
        **{name: trades[name] for name in plain},
        "bars_held": (trades["exit_row"] - trades["entry_row"]).astype(np.int64),
        "reason": np.array(REASONS, dtype=np.str_)[trades["reason"].astype(np.int64)],
    }


def records_of(table: Table) -> list[dict[str, Any]]:
    """Return a table row by row as plain values; times as ISO 8601 text, a figure that is no number as None."""
    columns = {name: [None if value != value else value for value in _plain(column)] for name, column in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def to_csv(table: Table) -> bytes:
    """Return a table as CSV: UTF-8, a header, LF, an empty cell for what is no number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records_of(table))
    return text.getvalue().encode()


def to_parquet(table: Table) -> bytes:
    """Return a table as parquet; the same table always gives the same bytes."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = {name: _arrow(column) for name, column in table.items()}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _arrow(column: NDArray[Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    if column.dtype.kind == "M":
        return pa.array(column.astype("datetime64[ns]").astype(np.int64), pa.timestamp("ns", tz="UTC"))
    return pa.array(column.tolist(), pa.string()) if column.dtype.kind == "U" else pa.array(column)


def _plain(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind == "M":
        return [f"{text}Z" for text in np.datetime_as_string(column, unit="s")]
    return column.tolist()  # type: ignore[no-any-return]
