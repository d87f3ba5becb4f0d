"""Claims on operations: one owner at a time, fenced by an epoch, finished exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from nullalpha.memory.operations import Claim
from nullalpha.memory.stores import Stores
from nullalpha.memory.tables import operation_events


def claim(stores: Stores, owner: str, now: float = 1000.0, key: str = "k", **changes: Any) -> Claim:
    fields: dict[str, Any] = {"lease_seconds": 30.0, "campaign_id": "c-1", "summary": {"stage": "search"}, **changes}
    return stores.operations.claim(key, "population", owner=owner, now=now, **fields)


def events(stores: Stores) -> list[str]:
    with stores.ledger.read() as connection:
        return list(connection.execute(select(operation_events.c.kind).order_by(operation_events.c.seq)).scalars())


def test_a_new_operation_is_granted_with_its_first_epoch(stores: Stores) -> None:
    first = claim(stores, "one")
    assert first.granted
    assert (first.row.status, first.row.owner, first.row.epoch, first.row.attempts) == ("running", "one", 1, 1)
    assert first.row.lease_until == 1030.0
    assert first.row.summary == {"stage": "search"}
    assert stores.operations.get(first.row.id) == first.row


def test_the_same_key_is_the_same_operation_and_another_key_another(stores: Stores) -> None:
    assert claim(stores, "one").row.id == claim(stores, "two").row.id
    assert claim(stores, "one", key="other").granted
    assert len(stores.operations.of_campaign("c-1")) == 2


@pytest.mark.parametrize(("later", "granted"), [(0.0, False), (29.9, False), (30.0, True), (1e6, True)])
def test_a_second_claimer_is_refused_until_the_lease_lapses(stores: Stores, later: float, granted: bool) -> None:
    claim(stores, "one")
    second = claim(stores, "two", now=1000.0 + later)
    assert second.granted == granted
    assert second.row.owner == ("two" if granted else "one")
    assert second.row.epoch == (2 if granted else 1)


def test_a_renewed_lease_holds_longer(stores: Stores) -> None:
    row = claim(stores, "one").row
    assert stores.operations.renew(row.id, owner="one", epoch=row.epoch, lease_until=1100.0)
    assert not claim(stores, "two", now=1099.0).granted
    assert claim(stores, "two", now=1100.0).granted


def test_a_stale_owner_is_refused_every_time(stores: Stores) -> None:
    refused = 0
    for number in range(100):
        stale = claim(stores, "one", key=f"k{number}").row
        fresh = claim(stores, "two", now=2000.0, key=f"k{number}").row
        late = stores.operations
        wrote = (
            late.finish(stale.id, owner="one", epoch=stale.epoch, result={"by": "one"}),
            late.fail(stale.id, owner="one", epoch=stale.epoch, error={"by": "one"}),
            late.renew(stale.id, owner="one", epoch=stale.epoch, lease_until=9e9),
            late.release(stale.id, owner="one", epoch=stale.epoch),
        )
        assert late.get(stale.id) == fresh
        refused += not any(wrote)
    assert refused == 100


def test_an_owner_that_claims_again_cannot_finish_with_its_old_epoch(stores: Stores) -> None:
    old = claim(stores, "one").row
    new = claim(stores, "one", now=2000.0).row
    assert not stores.operations.finish(old.id, owner="one", epoch=old.epoch, result={"epoch": 1})
    assert stores.operations.finish(new.id, owner="one", epoch=new.epoch, result={"epoch": 2})
    assert stores.operations.get(old.id).result == {"epoch": 2}


def test_an_operation_is_finished_exactly_once_and_never_granted_again(stores: Stores) -> None:
    row = claim(stores, "one").row
    assert stores.operations.finish(row.id, owner="one", epoch=row.epoch, result={"n": 1})
    assert not stores.operations.finish(row.id, owner="one", epoch=row.epoch, result={"n": 2})
    assert not stores.operations.fail(row.id, owner="one", epoch=row.epoch, error={"code": "x"})
    late = claim(stores, "two", now=9e9, seize=True)
    assert not late.granted
    assert (late.row.status, late.row.result, late.row.attempts) == ("done", {"n": 1}, 1)
    assert events(stores) == ["claimed", "done"]


def test_a_failed_operation_is_granted_again_and_its_error_forgotten(stores: Stores) -> None:
    row = claim(stores, "one").row
    assert stores.operations.fail(row.id, owner="one", epoch=row.epoch, error={"code": "worker_died"})
    assert stores.operations.get(row.id).error == {"code": "worker_died"}
    again = claim(stores, "two", now=2000.0)
    assert again.granted
    assert (again.row.status, again.row.error, again.row.attempts, again.row.epoch) == ("running", None, 2, 2)


def test_a_failed_operation_is_granted_again_before_its_lease_lapses(stores: Stores) -> None:
    row = claim(stores, "one").row
    stores.operations.fail(row.id, owner="one", epoch=row.epoch, error={})
    assert claim(stores, "two", now=1000.0).granted


def test_a_released_operation_is_anybodys(stores: Stores) -> None:
    row = claim(stores, "one").row
    assert stores.operations.release(row.id, owner="one", epoch=row.epoch)
    assert stores.operations.get(row.id).status == "queued"
    assert not stores.operations.finish(row.id, owner="one", epoch=row.epoch, result={})
    assert claim(stores, "two", now=1000.0).granted
    assert events(stores) == ["claimed", "released", "claimed"]


def test_the_holder_of_the_home_seizes_what_another_owner_left(stores: Stores) -> None:
    claim(stores, "dead")
    assert not claim(stores, "host", seize=False).granted
    seized = claim(stores, "host", seize=True)
    assert seized.granted
    assert (seized.row.owner, seized.row.epoch) == ("host", 2)


def test_nobody_seizes_a_persons_run_whose_owner_needs_no_lease_on_the_home(stores: Stores) -> None:
    claim(stores, "person", campaign_id=None)
    assert not claim(stores, "host", campaign_id=None, seize=True).granted
    assert not claim(stores, "host", campaign_id="c-1", seize=True).granted
    assert claim(stores, "host", campaign_id=None, now=1030.0).granted


def test_an_owner_does_not_seize_from_itself(stores: Stores) -> None:
    row = claim(stores, "host", seize=True).row
    assert not claim(stores, "host", seize=True).granted
    assert not claim(stores, "host", seize=True, now=9e9, running_here={row.id}).granted


def test_progress_is_kept_in_order(stores: Stores) -> None:
    row = claim(stores, "one").row
    stores.operations.progress(row.id, {"epoch": 1})
    stores.operations.progress(row.id, {"epoch": 2})
    assert events(stores) == ["claimed", "progress", "progress"]
