"""Run `nullalpha`, and `kill -9` its process group at a named commit: `python -m tests.support.killed_at before|after TABLE N ...`.

The N-th transaction of this process that writes to TABLE is the one; `before` loses it, `after` keeps it and nothing that would follow.
SQLAlchemy's own events tell when; no part of the lab is changed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import Connection, Engine, event

from nullalpha.cli.main import main


def kill_at(moment: str, table: str, count: int) -> None:
    """Arm the kill."""
    verbs = (f"INSERT INTO {table} ", f"UPDATE {table} ")
    written = 0

    def executed(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        if statement.startswith(verbs):
            connection.info["touched"] = True

    def commit(connection: Connection) -> None:
        nonlocal written
        if connection.info.pop("touched", False):
            written += 1
            if written == count and moment == "before":
                os.killpg(0, signal.SIGKILL)

    def returned(_driver_connection: object, _record: object) -> None:
        if written >= count:
            os.killpg(0, signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", commit)
    event.listen(Engine, "checkin", returned)


if __name__ == "__main__":
    kill_at(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.argv = ["nullalpha", *sys.argv[4:]]
    main()
