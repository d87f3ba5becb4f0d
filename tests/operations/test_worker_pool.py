"""Worker processes: typed answers, one retry after a death, cancellation, and nothing left behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import CancelledError, OperationError, WorkerDiedError
from nullalpha.operations.inline import InlineExecutor
from nullalpha.operations.pool import JobFailedError, WorkerPool
from tests.support.jobs import QUICK, population
from tests.support.waiting import is_running, wait_until

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 90.0


def silent(_body: Mapping[str, Any]) -> None:
    """A sink that keeps nothing."""


def serves(pool: WorkerPool) -> bool:
    """Return whether the pool gives a job that job's own answer: of a kind that does not exist, so that nothing is imported for it."""
    with pytest.raises(OperationError, match="unknown kind of operation 'nothing'"):
        pool.submit("nothing", {}, silent).result(PATIENCE)
    return True


class Killer:
    """A sink that kills the pool's worker when it first hears from a job, up to `times` times."""

    def __init__(self, pool: WorkerPool, times: int) -> None:
        self._pool, self._times = pool, times
        self.killed: list[int] = []

    def __call__(self, _body: Mapping[str, Any]) -> None:
        pid = self._pool.pids()[0]
        if len(self.killed) < self._times and pid not in self.killed:
            self.killed.append(pid)
            os.kill(pid, signal.SIGKILL)


def test_a_worker_answers_what_this_process_would(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    payload = population(artifacts)
    heard: list[Mapping[str, Any]] = []
    answer = pool.submit("population", payload, heard.append).result(PATIENCE)
    assert [item["status"] for item in answer["experiments"]] == ["done", "done"]
    assert answer == InlineExecutor(artifacts).submit("population", payload, silent).result()
    assert (heard[0]["epoch"], heard[0]["epochs"]) == (1, 30)


def test_a_job_that_fails_is_typed_and_its_worker_goes_on(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    pid = pool.pids()
    payload = population(artifacts)
    payload["documents"][1]["features"] = {"rsi": {"indicator": "rsl"}}
    with pytest.raises(JobFailedError) as caught:
        pool.submit("population", payload, silent).result(PATIENCE)
    body = caught.value.to_dict()
    assert body["code"] == "invalid_strategy"
    assert [(error["path"], error["suggestion"]) for error in body["errors"]] == [("features.rsi.indicator", "rsi")]  # type: ignore[attr-defined]
    assert serves(pool)
    assert pool.pids() == pid


def test_an_unknown_kind_is_refused_with_the_nearest(pool: WorkerPool) -> None:
    with pytest.raises(OperationError, match="'populaton'") as caught:
        pool.submit("populaton", {}, silent).result(PATIENCE)
    assert caught.value.suggestion == "population"


def test_an_error_that_nobody_foresaw_is_typed_and_its_trace_is_in_the_log(pool: WorkerPool, place: Path) -> None:
    with pytest.raises(OperationError, match=r"^deflate failed .*KeyError") as caught:
        pool.submit("deflate", {}, silent).result(PATIENCE)
    assert caught.value.to_dict()["code"] == "operation_failed"
    assert "KeyError: 'trial_sharpes'" in (place / "logs" / "worker-0.log").read_text()


def test_a_payload_that_is_no_json_never_leaves_its_caller(pool: WorkerPool) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        pool.submit("deflate", {**QUICK, "n_trials": math.nan}, silent)
    with pytest.raises(TypeError, match="not JSON serializable"):
        pool.submit("deflate", {"series": {1, 2}}, silent)
    assert serves(pool)


def test_a_sink_that_raises_fails_its_own_job_and_no_other_is_handed_its_answer(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    def full(_body: Mapping[str, Any]) -> None:
        raise OSError("the watcher's disk is full")

    with pytest.raises(OSError, match="the watcher's disk"):
        pool.submit("population", population(artifacts), full).result(PATIENCE)
    assert serves(pool)


def test_abandoning_cancels_what_runs_and_what_waits_and_the_next_job_runs(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    heard: list[Mapping[str, Any]] = []
    running = pool.submit("population", population(artifacts, epochs=500, n_strategies=4), heard.append)
    waiting = [pool.submit("deflate", QUICK, silent) for _ in range(3)]
    wait_until(lambda: heard, "the job runs", PATIENCE)
    pool.abandon()
    for future in (running, *waiting):
        with pytest.raises(CancelledError):
            future.result(PATIENCE)
    assert serves(pool)


def test_a_job_whose_worker_is_killed_is_done_by_a_fresh_one(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    payload = population(artifacts, epochs=400)
    killer = Killer(pool, times=1)
    answer = pool.submit("population", payload, killer).result(PATIENCE)
    assert len(killer.killed) == 1
    assert killer.killed != pool.pids()
    assert not is_running(killer.killed[0])
    assert answer == pool.submit("population", payload, silent).result(PATIENCE)


def test_a_job_that_kills_every_worker_fails_typed_and_the_pool_goes_on(pool: WorkerPool, artifacts: ArtifactStore) -> None:
    killer = Killer(pool, times=5)
    with pytest.raises(WorkerDiedError, match="the worker for population died") as caught:
        pool.submit("population", population(artifacts, epochs=400), killer).result(PATIENCE)
    assert caught.value.code == "worker_died"
    assert len(killer.killed) == 2
    assert serves(pool)


def test_a_worker_killed_while_it_was_idle_costs_nothing(pool: WorkerPool) -> None:
    assert serves(pool)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid), "the worker is dead")
    assert serves(pool)
    assert pool.pids() != [pid]


def test_abandoning_an_idle_pool_keeps_its_workers_warm(pool: WorkerPool) -> None:
    assert serves(pool)
    pids = pool.pids()
    pool.abandon()
    assert serves(pool)
    assert pool.pids() == pids


def test_closing_ends_the_workers_and_cancels_what_waits(tmp_path: Path) -> None:
    with WorkerPool(2, tmp_path / "artifacts", tmp_path / "logs") as closing:
        wait_until(lambda: len(closing.pids()) == 2, "two workers are there")
        pids = closing.pids()
        futures = [closing.submit("deflate", QUICK, silent) for _ in range(6)]
    assert all(future.done() for future in futures)
    assert isinstance(futures[-1].exception(), CancelledError)
    assert not any(is_running(pid) for pid in pids)


def test_what_libraries_print_goes_to_the_log_and_not_into_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site customisation prints, through Python and past it, whenever the worker imports something for a job."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def noise(event, arguments):\n"
        "    if event == 'import' and arguments[0] in ('nullalpha.memory.embed_job', 'torch'):\n"
        '        print(\'{"event": "done", "result": 1}\', flush=True)\n'
        "        os.write(1, b'noise\\n')\n"
        "sys.addaudithook(noise)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(REPOSITORY)]))
    with WorkerPool(1, tmp_path / "artifacts", tmp_path / "logs") as noisy, pytest.raises(JobFailedError) as caught:
        noisy.submit("embed", {"embedder": "another", "texts": []}, silent).result(PATIENCE)
    assert caught.value.to_dict()["code"] == "artifact"
    assert (tmp_path / "logs" / "worker-0.log").read_text().count("noise\n") >= 1


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom nullalpha.operations.pool import WorkerPool\n"
        "pool = WorkerPool(2, Path(sys.argv[1]) / 'artifacts', Path(sys.argv[1]) / 'logs')\n"
        "for _ in range(2):\n    pool.submit('warm', {}, print)\n"
        "while len(pool.pids()) < 2:\n    pass\n"
        "print(json.dumps(pool.pids()), flush=True)\nsys.stdin.readline()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert all(is_running(pid) for pid in pids)
        os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: not any(is_running(pid) for pid in pids), "the workers are gone", 10)
