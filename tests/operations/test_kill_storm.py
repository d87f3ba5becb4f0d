"""Two processes work through one ledger while they are killed again and again: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.memory.stores import Stores
from nullalpha.memory.tables import operation_events, operations
from tests.support.claimer import answer
from tests.support.waiting import wait_until

N_OPERATIONS = 40
N_KILLS = 12
REPOSITORY = Path(__file__).parents[2]


def test_operations_survive_a_storm_of_kills(home: Path) -> None:
    stores = Stores.open(home / "ledger.db")
    log = home / "executions.log"
    log.touch()
    command = [sys.executable, "-m", "tests.support.claimer", str(home / "ledger.db"), str(home / "artifacts"), str(log), str(N_OPERATIONS)]
    workers = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(2)]

    def executions() -> list[tuple[int, int]]:
        return [(int(number), int(pid)) for number, pid in (line.split() for line in log.read_text().splitlines())]

    def next_victim(seen: int) -> subprocess.Popen[bytes] | None:
        return next((w for _, pid in executions()[seen:] for w in workers if w.pid == pid and w.poll() is None), None)

    kills, seen = 0, 0
    while kills < N_KILLS and any(worker.poll() is None for worker in workers):
        wait_until(lambda seen=seen: next_victim(seen) or all(w.poll() is not None for w in workers), "an execution begins")
        victim = next_victim(seen)
        if victim is not None:
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            kills, seen = kills + 1, len(executions())
            workers[workers.index(victim)] = subprocess.Popen(command, cwd=REPOSITORY)
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]

    begun = executions()
    rows = {row.result["number"]: row for row in (_rows(stores)) if row.result}
    assert kills == N_KILLS
    assert sorted(rows) == list(range(N_OPERATIONS))  # none lost
    with stores.ledger.read() as connection:
        query = select(operation_events.c.operation_id, func.count()).where(operation_events.c.kind == "done").group_by("operation_id")
        finished = dict(connection.execute(query).tuples().all())
    assert finished == {row.id: 1 for row in rows.values()}  # none doubled
    assert 1 <= len(begun) - N_OPERATIONS <= kills  # nothing ran again but what a kill cut short
    artifacts = ArtifactStore(home / "artifacts")
    assert all(artifacts.get(row.result["artifact"]) == answer(number) for number, row in list(rows.items())[::8])
    stores.ledger.close()


def _rows(stores: Stores) -> list:
    with stores.ledger.read() as connection:
        ids = list(connection.execute(select(operations.c.id)).scalars())
    return [stores.operations.get(i) for i in ids]
