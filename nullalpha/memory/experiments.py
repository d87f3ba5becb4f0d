"""Experiments in the ledger: a row before anything runs, then results and assessments, each written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, RowMapping, func, select
from sqlalchemy.sql import Select

from nullalpha.core.fingerprint import fingerprint
from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import batches, insert_once, not_found
from nullalpha.memory.tables import assessments, experiments, results


@dataclass(frozen=True)
class Design:
    """What is registered of an experiment before it runs.

    `registration` is the hash of hypothesis and prediction, so that neither can be changed after the result is known;
    `fingerprint` is None for a design that never compiled (logged, not counted); `structure` says what the strategy is made of.
    """

    id: str
    campaign_id: str | None
    generation: int
    slot: int
    attempt: int
    designer: str
    actor: str
    name: str
    hypothesis: str
    fingerprint: str | None
    registration: str | None
    instruments: list[str]
    document: dict[str, Any] | None
    draft: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    issues: list[dict[str, Any]] = field(default_factory=list)
    structure: dict[str, float] | None = None


@dataclass(frozen=True)
class ExperimentRow(Design):
    ordinal: int = 0
    created: str = ""


@dataclass(frozen=True)
class ResultRow:
    """`body` of a done result: metrics, artifacts, folds, rules; of a failed one: the error."""

    experiment_id: str
    stage: str
    status: str
    operation_id: str | None
    body: dict[str, Any]


@dataclass(frozen=True)
class AssessmentRow:
    experiment_id: str
    stage: str
    verdict: str
    reasons: list[str]
    figures: dict[str, Any]


def registration(document: Mapping[str, Any]) -> str:
    """Return the hash of what a strategy document claims and predicts, fixed before anything runs."""
    return fingerprint({"hypothesis": document["hypothesis"], "prediction": document.get("prediction")})


class ExperimentStore:
    """Reads and writes of experiments; one transaction a call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def register(self, designs: Sequence[Design]) -> None:
        """Record designs, each once, numbered in the order in which the home saw them."""
        with self._ledger.write() as connection:
            ordinal = connection.execute(select(func.coalesce(func.max(experiments.c.ordinal), 0))).scalar_one()
            for design in designs:
                row = {**design.__dict__, "created": now_text(), "ordinal": ordinal + 1}
                if insert_once(connection, experiments, row):
                    ordinal += 1

    def get(self, experiment_id: str) -> ExperimentRow:
        """Return one experiment.

        Raises:
            NotFoundError: with the nearest id.
        """
        rows = self._rows(select(experiments).where(experiments.c.id == experiment_id))
        if rows:
            return rows[0]
        with self._ledger.read() as connection:
            known = list(connection.execute(select(experiments.c.id)).scalars())
        advice = "`nullalpha experiments list` shows what there is"
        raise not_found("experiment", experiment_id, known, path="id", otherwise=advice)

    def of_campaign(self, campaign_id: str) -> list[ExperimentRow]:
        """Return a campaign's designs by generation, slot and attempt, invalid ones included."""
        order = (experiments.c.generation, experiments.c.slot, experiments.c.attempt)
        return self._rows(select(experiments).where(experiments.c.campaign_id == campaign_id).order_by(*order))

    def all(self) -> list[ExperimentRow]:
        """Return every design of the home in the order in which it was registered."""
        return self._rows(select(experiments).order_by(experiments.c.ordinal))

    def count_trials(self, up_to_ordinal: int | None = None) -> int:
        """Return how many trials saw data: designs that compiled and were run, whatever came of it.

        The same strategy computed once and looked at again (same operation) is one trial.
        """
        query = (
            select(experiments.c.fingerprint, results.c.operation_id)
            .select_from(results.join(experiments, experiments.c.id == results.c.experiment_id))
            .where(results.c.stage == "search")
            .distinct()
        )
        if up_to_ordinal is not None:
            query = query.where(experiments.c.ordinal <= up_to_ordinal)
        with self._ledger.read() as connection:
            return len(connection.execute(query).all())

    def put_result(self, experiment_id: str, stage: str, status: str, body: Mapping[str, Any], operation_id: str | None) -> None:
        """Record the result of one stage (`search`, `attack`, `evidence`, `validation`, `lockbox`), once."""
        row = {
            "experiment_id": experiment_id,
            "stage": stage,
            "created": now_text(),
            "operation_id": operation_id,
            "status": status,
            "body": dict(body),
        }
        with self._ledger.write() as connection:
            insert_once(connection, results, row)

    def result(self, experiment_id: str, stage: str) -> ResultRow | None:
        """Return one stage's result, or None if it has not run."""
        return self.results(stage, [experiment_id]).get(experiment_id)

    def results(self, stage: str, ids: Sequence[str] | None = None) -> dict[str, ResultRow]:
        """Return results of a stage by experiment id; all of the home when `ids` is None."""
        rows = self._of_experiments(select(results).where(results.c.stage == stage), results.c.experiment_id, ids)
        return {
            row["experiment_id"]: ResultRow(row["experiment_id"], row["stage"], row["status"], row["operation_id"], row["body"])
            for row in rows
        }

    def put_assessment(self, experiment_id: str, stage: str, verdict: str, reasons: Sequence[str], figures: Mapping[str, Any]) -> None:
        """Record a verdict of one stage (`search` or `validation`), once."""
        row = {
            "experiment_id": experiment_id,
            "stage": stage,
            "created": now_text(),
            "verdict": verdict,
            "reasons": list(reasons),
            "figures": dict(figures),
        }
        with self._ledger.write() as connection:
            insert_once(connection, assessments, row)

    def assessments(self, ids: Sequence[str] | None = None) -> dict[str, list[AssessmentRow]]:
        """Return verdicts by experiment id, in the order of the stages search, validation, lockbox."""
        rows = self._of_experiments(select(assessments), assessments.c.experiment_id, ids)
        order = ("search", "validation", "lockbox")
        found: dict[str, list[AssessmentRow]] = {}
        for row in sorted(rows, key=lambda r: order.index(r["stage"])):
            found.setdefault(row["experiment_id"], []).append(
                AssessmentRow(row["experiment_id"], row["stage"], row["verdict"], row["reasons"], row["figures"])
            )
        return found

    def _of_experiments(self, query: Select[Any], column: Column[str], ids: Sequence[str] | None) -> list[RowMapping]:
        queries = [query] if ids is None else [query.where(column.in_(batch)) for batch in batches(ids)]
        with self._ledger.read() as connection:
            return [row for part in queries for row in connection.execute(part).mappings().all()]

    def _rows(self, query: Select[Any]) -> list[ExperimentRow]:
        with self._ledger.read() as connection:
            return [ExperimentRow(**dict(row)) for row in connection.execute(query).mappings().all()]
