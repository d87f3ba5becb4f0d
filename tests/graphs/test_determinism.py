"""The same seed, data and code give the same campaign, whatever the number of workers and wherever the home."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.campaigns import Campaign
from tests.support.standing import standing


def test_one_worker_in_another_home_gives_every_bit_that_two_workers_gave(finished: Callable[[str], Campaign], reference: Campaign) -> None:
    alone = finished("one-worker")
    assert alone.ended.code == 0, alone.ended.err
    assert standing(alone.home, alone.id) == standing(reference.home, reference.id)
    assert alone.result["deterministic"] is True


def test_another_seed_designs_other_strategies(finished: Callable[[str], Campaign], reference: Campaign) -> None:
    other = finished("other-seed-out-of-time")
    theirs, ours = ({e["fingerprint"] for e in campaign.result["experiments"]} for campaign in (other, reference))
    assert len(theirs) == 8
    assert len(ours) == 10
    assert not theirs & ours
