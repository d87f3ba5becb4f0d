"""`kill -9` of the whole process group, at commits of the ledger and in the middle of work; then `research resume` ends as if nothing was.

Nothing is lost, nothing is doubled, and work that was finished is not done again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nullalpha.memory.chroma_index import ChromaIndex
from nullalpha.memory.vectors import MINILM_IDENTITY
from tests.support.campaigns import REFERENCE_SEED, Campaign, kill_group, query, run, stage, started, wait_for
from tests.support.standing import standing

START = ("research", "run", "--seed", REFERENCE_SEED, "--trials", 10)
ONE, TWO = ("--workers", 1), ("--workers", 2)
IN_FLIGHT = 8  # a generation's cycles claim their operations together


@dataclass(frozen=True)
class Kill:
    """Before or after the n-th commit of one process that writes to a table."""

    moment: str
    table: str
    n: int


CASES = {
    "while it designs": (Kill("after", "campaign_facts", 2), Kill("before", "experiments", 1)),
    "between train and judge": (Kill("after", "results", 3), Kill("before", "results", 7)),
    "while it judges and learns": (Kill("before", "assessments", 4), Kill("before", "lessons", 1)),
    "while it validates": (Kill("after", "looks", 2), Kill("before", "look_results", 2)),
    "while it remembers and reports": (Kill("before", "memories", 2), Kill("after", "memories", 1), Kill("before", "campaigns", 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_campaign_killed_at_any_commit_ends_as_if_it_had_not_been(case: str, home: Path, reference: Campaign) -> None:
    arguments: tuple[object, ...] = START
    for kill in CASES[case]:
        driver = (sys.executable, "-m", "tests.support.killed_at", kill.moment, kill.table, str(kill.n))
        with started(*arguments, *ONE, "--home", home, "--jsonl", driver=driver) as process:
            process.communicate()
        assert process.returncode == -signal.SIGKILL, f"{kill} never came"
        arguments = ("research", "resume", only_campaign(home))
    ended = run(*arguments, *ONE, "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    assert_nothing_lost_or_doubled(home, ended.json, reference, kills=len(CASES[case]))


def test_when_a_host_is_killed_while_its_workers_train_no_orphan_stays_and_who_followed_takes_over(home: Path, reference: Campaign) -> None:
    with started(*START, *TWO, "--home", home, "--jsonl") as process:
        wait_for(process, stage("design"))
        with started("research", "resume", only_campaign(home), *TWO, "--home", home, "--jsonl") as follower:
            wait_for(follower, lambda event: event["kind"] == "progress")
            survivors = kill_group(process)
            out, _ = follower.communicate()
    assert survivors == []
    assert follower.returncode == 0, out
    assert_nothing_lost_or_doubled(home, json.loads(out.splitlines()[-1])["body"], reference, kills=1)


def test_a_campaign_stopped_by_ctrl_c_says_so_and_two_resumers_at_once_end_it_once(home: Path, reference: Campaign) -> None:
    with started(*START, *TWO, "--home", home, "--jsonl") as process:
        wait_for(process, stage("train"))
        os.kill(process.pid, signal.SIGINT)
        stopped, _ = process.communicate()
        assert process.returncode == 130
    assert '"status": "stopped"' in stopped.splitlines()[-1]
    with started("research", "resume", only_campaign(home), *TWO, "--home", home, "--jsonl") as first:
        wait_for(first, lambda event: event["kind"] == "status" and event["body"]["status"] == "running" and event["seq"] > 3)
        second = run("research", "resume", only_campaign(home), *TWO, "--home", home, "--json")
        first.communicate()
    assert (first.returncode, second.code) == (0, 0), second.out + second.err
    assert_nothing_lost_or_doubled(home, second.json, reference, kills=1)


def only_campaign(home: Path) -> str:
    ((campaign_id,),) = query(home, "SELECT id FROM campaigns")
    return str(campaign_id)


def assert_nothing_lost_or_doubled(home: Path, result: dict[str, Any], reference: Campaign, *, kills: int) -> None:
    campaign_id = result["campaign_id"]
    assert standing(home, campaign_id) == standing(reference.home, reference.id)
    assert (result["status"], result["trials"]) == ("done", reference.result["trials"])
    assert comparable(result) == comparable(reference.result)
    assert_finished_work_was_not_done_again(home, kills)
    assert query(home, "SELECT count(*) FROM checkpoints") == [(0,)]
    memories = query(home, "SELECT count(*), count(vector), sum(indexed) FROM memories")
    with ChromaIndex(home / "index", MINILM_IDENTITY) as index:
        assert memories == [(index.count(),) * 3]


def assert_finished_work_was_not_done_again(home: Path, kills: int) -> None:
    events = query(home, "SELECT operation_id, kind FROM operation_events ORDER BY seq")
    done: Counter[str] = Counter()
    for operation_id, kind in events:
        assert done[operation_id] == 0, f"{operation_id} was {kind} after it was done"
        done[operation_id] += kind == "done"
    ((n_operations, most_attempts, attempts),) = query(home, "SELECT count(*), max(attempts), sum(attempts) FROM operations")
    assert len(done) == n_operations == done.total()
    assert most_attempts - 1 <= kills
    assert attempts - n_operations <= kills * IN_FLIGHT


def comparable(result: dict[str, Any]) -> list[Any]:
    """Return what a person reads of each experiment and lesson, in the order in which it is printed, without ids."""
    shown = [{k: v for k, v in e.items() if k not in ("id", "campaign_id", "report")} for e in result["experiments"]]
    return [shown, len(result["lessons"]), result["data"], result["protocol_hash"], result["lockbox"]]
