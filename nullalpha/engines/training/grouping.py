"""Which jobs are fitted side by side: those of one shape, padded a little, in an order that depends on nothing but the jobs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from nullalpha.engines.training.member import Member
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.structure import rule_products, rule_structure
from nullalpha.strategy.plan import Plan

GROUP_BYTES = 2**30
"""Of rows, roughly, that one group keeps on its device."""

Shape = tuple[object, ...]


def shape_of(plan: Plan) -> Shape:
    """Return what plans share whose models train side by side.

    Kind, batch size, kind of loss, what is trained, and a network's sizes must be equal. Of sets, rules and features there may be more in
    one member than in another, but never twice as many; where sets are trained, of each family of shapes. Rules of which one needs an
    `or`, over sets that are trained, must have one structure.
    """
    training = plan.training
    shape: Shape = (plan.model, plan.trainable, training.batch_size, training.loss)
    structure = rule_structure(plan)
    families = (structure.gaussians, structure.bells, structure.slopes, structure.cornered)
    sets = tuple(_doubled(len(family)) for family in families) if "sets" in plan.trainable else (_doubled(len(plan.sets)),)
    if plan.network is not None:
        return (*shape, plan.network, sets)
    sizes = (_doubled(len(plan.rules)), _doubled(len(plan.features)))
    if "sets" not in plan.trainable:
        return (*shape, *sizes)  # their firing never changes
    if rule_products(plan) is not None:
        return (*shape, *sizes, sets)
    counts = tuple(len(family) for family in families)
    negated = (structure.negated_gaussians, structure.negated_bells, structure.negated_slopes, structure.negated_cornered)
    return (*shape, *sizes, counts, negated, structure.groups, structure.outputs)


def groups_of(members: Sequence[Member], digests: Sequence[str], *, mixed: bool = False) -> list[list[int]]:
    """Return members (indices) in groups, so that the same members give the same groups whatever order they come in.

    Args:
        members: to fit.
        digests: of each, as `job_digest` returns it.
        mixed: for an engine in which members of any shape go side by side.
    """
    by_shape: dict[Shape, list[int]] = defaultdict(list)
    for at in sorted(range(len(members)), key=lambda at: _rank(members[at], digests[at])):
        by_shape[() if mixed else shape_of(members[at].plan)].append(at)
    return [part for group in by_shape.values() for part in _parts(group, members)]


def job_digest(plan: Plan, task: FitTask, seen: dict[int, bytes]) -> str:
    """Return a SHA-256 of all that a fit reads of a job.

    Args:
        plan: of the job.
        task: of the job.
        seen: hashes of arrays by identity, kept from job to job, as many share theirs; the arrays must outlive it.
    """
    digest = hashlib.sha256(repr((plan.features, plan.sets, plan.rules, plan.model, plan.trainable, plan.training, plan.network)).encode())
    for one in fields(task):
        value = getattr(task, one.name)
        if isinstance(value, np.ndarray):
            if id(value) not in seen:
                of_array = hashlib.sha256(f"{value.dtype} {value.shape}".encode())
                of_array.update(np.ascontiguousarray(value).data)
                seen[id(value)] = of_array.digest()
            value = seen[id(value)].hex()
        digest.update(f"{one.name}={value};".encode())
    return digest.hexdigest()


def _rank(member: Member, digest: str) -> tuple[int, str, int, str]:
    return -len(member.train_rows), member.plan.fingerprint, member.task.seed, digest


def _doubled(count: int) -> int:
    """Return the least power of two that is no less than a count, and at least 4; 0 of 0."""
    return 0 if count == 0 else max(4, 1 << (count - 1).bit_length())


def _parts(group: list[int], members: Sequence[Member]) -> list[list[int]]:
    """Return a group in parts of even size whose rows fit in `GROUP_BYTES`."""
    most = max((len(members[at].train_rows) + len(members[at].stop_rows)) * _columns(members[at].plan) * 8 for at in group)
    n_parts = -(-len(group) * most // GROUP_BYTES)
    return [part.tolist() for part in np.array_split(np.array(group), min(n_parts, len(group)))]


def _columns(plan: Plan) -> int:
    return len(plan.features) + len(plan.sets) + len(plan.rules) + 4
