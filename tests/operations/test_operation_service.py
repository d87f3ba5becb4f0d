"""The service over claims and workers: what is done is taken, what failed is tried again, what is cancelled is given back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import CancelledError, StorageFullError
from nullalpha.engines.series import put_arrays
from nullalpha.memory.stores import Stores
from nullalpha.operations.inline import InlineExecutor
from nullalpha.operations.pool import WorkerPool
from nullalpha.operations.service import OperationRequest, Operations, Outcome
from tests.support.jobs import QUICK, population

RETURNS = np.random.default_rng(1).normal(0.001, 0.01, 400)


@pytest.fixture
def stores(home: Path) -> Iterator[Stores]:
    opened = Stores.open(home / "ledger.db")
    yield opened
    opened.ledger.close()


@pytest.fixture
def mine(home: Path) -> ArtifactStore:
    """Artifacts of this test alone."""
    return ArtifactStore(home / "artifacts")


def request(name: str = "deflation", **payload: Any) -> OperationRequest:
    return OperationRequest("deflate", {"name": name}, {**QUICK, **payload}, {"name": name})


def run(
    stores: Stores,
    executor: InlineExecutor | WorkerPool,
    *requests: OperationRequest,
    owner: str = "me",
    seize: bool = False,
    **options: Any,
) -> list[Outcome]:
    service = Operations(stores.operations, executor, owner, seize=seize)
    return service.run(requests, **{"campaign_id": None, "cancelled": lambda: False, **options})


def test_a_key_is_what_is_computed_and_not_how() -> None:
    assert request().key == request(n_trials=99).key
    assert request().key != request("other").key
    assert request().key != OperationRequest("evidence", {"name": "deflation"}, {}, {}).key


def test_outcomes_come_in_the_order_of_the_requests(stores: Stores, mine: ArtifactStore) -> None:
    outcomes = run(stores, InlineExecutor(mine), *(request(f"r{n}", n_trials=n) for n in (5, 3, 4)))
    assert [outcome.result["n_trials"] for outcome in outcomes if outcome.result] == [5, 3, 4]
    assert not any(outcome.reused for outcome in outcomes)
    assert run(stores, InlineExecutor(mine)) == []


def test_a_finished_operation_is_taken_from_the_ledger_whatever_its_payload_now_is(stores: Stores, mine: ArtifactStore) -> None:
    (first,) = run(stores, InlineExecutor(mine), request())
    (second,) = run(stores, InlineExecutor(mine), request(series={"e": "0" * 64}), owner="another")
    assert second.reused
    assert second.result == first.result
    assert stores.operations.get(first.operation_id).attempts == 1


def test_two_requests_with_one_key_run_once(stores: Stores, mine: ArtifactStore) -> None:
    one, other, two = run(stores, InlineExecutor(mine), request(), request("other"), request())
    assert one.result == two.result
    assert one.operation_id == two.operation_id != other.operation_id
    assert (one.reused, two.reused) == (False, True)
    assert stores.operations.get(one.operation_id).attempts == 1


def test_a_failed_operation_is_typed_stops_no_other_and_is_tried_again(stores: Stores, mine: ArtifactStore) -> None:
    elsewhere = ArtifactStore(mine.root.parent / "elsewhere")
    digest = put_arrays(elsewhere, "series", {"returns": RETURNS})
    failed, fine = run(stores, InlineExecutor(mine), request(series={"e-1": digest}), request("fine"))
    assert failed.result is None
    assert failed.error is not None
    assert failed.error["code"] == "artifact"
    assert fine.result is not None
    assert stores.operations.get(failed.operation_id).status == "failed"
    put_arrays(mine, "series", {"returns": RETURNS})
    (again,) = run(stores, InlineExecutor(mine), request(series={"e-1": digest}))
    assert again.result is not None
    assert set(again.result["dsr"]) == {"e-1"}
    row = stores.operations.get(again.operation_id)
    assert (row.status, row.attempts, row.error) == ("done", 2, None)


def test_an_error_that_nobody_foresaw_gives_the_claim_back(stores: Stores, mine: ArtifactStore) -> None:
    broken = OperationRequest("deflate", {"name": "broken"}, {}, {})
    with pytest.raises(KeyError, match="trial_sharpes"):
        run(stores, InlineExecutor(mine), broken)
    claim = stores.operations.claim(broken.key, "deflate", owner="x", now=0.0, lease_seconds=1.0, campaign_id=None, summary={})
    assert claim.granted
    assert claim.row.attempts == 2


def test_what_another_owner_runs_is_waited_for_until_its_lease_lapses(stores: Stores, mine: ArtifactStore) -> None:
    held = stores.operations.claim(
        request().key, "deflate", owner="other", now=time.time(), lease_seconds=0.4, campaign_id=None, summary={}
    ).row
    (outcome,) = run(stores, InlineExecutor(mine), request())
    assert outcome.result is not None
    assert time.time() >= (held.lease_until or 0.0)
    row = stores.operations.get(outcome.operation_id)
    assert (row.owner, row.epoch) == ("me", 2)
    assert not stores.operations.finish(held.id, owner="other", epoch=held.epoch, result={})


def test_the_host_takes_over_a_dead_hosts_operation_at_once(stores: Stores, mine: ArtifactStore) -> None:
    stores.operations.claim(request().key, "deflate", owner="dead", now=time.time(), lease_seconds=1e6, campaign_id="c-1", summary={})
    (outcome,) = run(stores, InlineExecutor(mine), request(), seize=True, campaign_id="c-1")
    assert outcome.result is not None
    assert stores.operations.get(outcome.operation_id).epoch == 2


def test_a_cancelled_run_keeps_what_is_finished_and_gives_back_the_rest(stores: Stores, pool: WorkerPool, artifacts: ArtifactStore) -> None:
    heard: list[Mapping[str, Any]] = []
    payload = population(artifacts, epochs=500, n_strategies=4)
    slow = OperationRequest("population", {"name": "slow"}, payload, {})
    with pytest.raises(CancelledError, match="stopped on request"):
        run(stores, pool, request("quick"), slow, request("late"), campaign_id="c-1", cancelled=lambda: bool(heard), progress=heard.append)
    rows = {row.key: row.status for row in stores.operations.of_campaign("c-1")}
    assert rows == {request("quick").key: "done", slow.key: "queued", request("late").key: "queued"}
    quick, late = run(stores, pool, request("quick"), request("late"), owner="next", campaign_id="c-1")
    assert quick.reused
    assert late.result is not None


def test_a_full_disk_stops_the_run_and_gives_the_claim_back(stores: Stores, mine: ArtifactStore) -> None:
    class FullDisk(InlineExecutor):
        """An executor whose artifacts lie on a full disk."""

        def submit(self, kind: str, payload: Mapping[str, Any], progress: Any) -> Any:
            future = super().submit(kind, payload, progress)
            future.result()
            failed: Any = type(future)()
            failed.set_exception(StorageFullError("no space left", path="artifacts"))
            return failed

    with pytest.raises(StorageFullError):
        run(stores, FullDisk(mine), request(), request("other"), campaign_id="c-1")
    assert [row.status for row in stores.operations.of_campaign("c-1")] == ["queued", "queued"]
    (outcome,) = run(stores, InlineExecutor(mine), request())
    assert outcome.result is not None
