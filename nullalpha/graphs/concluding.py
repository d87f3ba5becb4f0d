"""Validate the k best once, deflate over every trial of the home, remember, report."""

from __future__ import annotations

import math
from typing import Any

from nullalpha.core.errors import NullAlphaError
from nullalpha.core.ids import derived_id
from nullalpha.engines.evidence.gates import Assessment, judge_validation
from nullalpha.engines.evidence.selection import Candidate, choose_k_best
from nullalpha.graphs.computing import compute
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import AssessmentRow, ExperimentRow
from nullalpha.memory.memories import Memory
from nullalpha.operations.service import OperationRequest
from nullalpha.strategy.vocabulary import Vocabulary


def validate(context: ResearchContext) -> None:
    """Refit the k best through the validation zone, once, and judge them jointly with all that the home ever validated there.

    Every look is written to the ledger before the zone is read. A strategy that an earlier campaign validated is not refitted: one look is
    all there is, and it stands.
    """
    chosen = [context.stores.experiments.get(candidate.experiment_id) for candidate in k_best(context)]
    if not chosen:
        context.emit("validated", {"experiments": [], "shortlisted": []})
        return
    looks, version = context.stores.looks, context.campaign.zones_version
    before = [look for look in looks.all("validation", version) if look.campaign_id != context.campaign.id and look.result]
    earlier = {look.fingerprint: look.experiment_id for look in reversed(before)}
    fresh = [row for row in chosen if row.fingerprint not in earlier]
    market: dict[str, Any] = {}
    for row in fresh:
        ticket = looks.open_validation(
            _look_id(row.id),
            zones_version=version,
            campaign_id=context.campaign.id,
            experiment_id=row.id,
            fingerprint=row.fingerprint or "",
            actor=f"campaign:{context.campaign.id}",
        )
        market |= context.market(context.bars.validation(ticket), tuple(row.instruments))
    compute(context, fresh, "validation", market, context.sealed_span("validation", ""))
    p_values = joint_p_values(context, version)
    shortlisted = [row.id for row in chosen if _judge_validated(context, row, earlier.get(row.fingerprint) or row.id, p_values)]
    context.emit("validated", {"experiments": [row.id for row in chosen], "shortlisted": shortlisted})


def k_best(context: ResearchContext) -> tuple[Candidate, ...]:
    """Return the campaign's candidates for validation, best first; designers never see the outcome."""
    rows = [row for row in context.stores.experiments.of_campaign(context.campaign.id) if row.fingerprint]
    assessed = context.stores.experiments.assessments([row.id for row in rows])
    candidates = []
    for row in rows:
        for assessment in assessed.get(row.id, []):
            if assessment.stage == "search" and assessment.figures.get("excess_sharpe") is not None:
                candidates.append(_candidate(row, assessment))
    return choose_k_best(candidates, context.protocol.k_best)


def joint_p_values(context: ResearchContext, zones_version: int) -> dict[str, tuple[float | None, int]]:
    """Return the adjusted p-value of every strategy that this home validated on the interval, and how many were tested jointly.

    A look whose result has no series (it failed) enters as zeros: it counts.
    """
    looks = [look for look in context.stores.looks.all("validation", zones_version) if look.experiment_id]
    results = context.stores.experiments.results("validation", [look.experiment_id or "" for look in looks])
    unique: dict[str, list[str]] = {}
    for look in looks:
        unique.setdefault(look.fingerprint or "", []).append(look.experiment_id or "")
    finished = {i for i, result in results.items() if result.status == "done"}
    member_of = {key: next((i for i in ids if i in finished), ids[0]) for key, ids in unique.items()}
    members = list(member_of.values())  # oldest look first: in every home with the same history the same order
    series = [results[i].body["series"] if i in finished else None for i in members]
    identity = {
        "series": series,
        "reps": context.protocol.joint_test_reps,
        "seed": zones_version,
        "code": context.code_version,
    }
    outcome = context.run([OperationRequest("joint_test", identity, identity, {"strategies": len(members)})])[0]
    if outcome.result is None:
        raise NullAlphaError(f"the joint test failed: {(outcome.error or {}).get('message')}", path="validate")
    by_member = dict(zip(members, outcome.result["p_values"], strict=True))
    return {i: (by_member[member_of[key]], len(members)) for key, ids in unique.items() for i in ids}


def deflate(context: ResearchContext) -> None:
    """Record how the campaign's figures stand against luck among all trials that the home had by its end."""
    experiments = context.stores.experiments
    mine = [row for row in experiments.of_campaign(context.campaign.id) if row.fingerprint]
    last = max((row.ordinal for row in mine), default=0)
    ordinals = {row.id: row.ordinal for row in experiments.all()}
    done = {i: r for i, r in experiments.results("evidence").items() if ordinals[i] <= last and r.status == "done"}
    once = {r.body.get("series"): r for _, r in sorted(done.items(), key=lambda item: -ordinals[item[0]])}  # the earliest of each series
    identity = {
        "trial_sharpes": [r.body.get("session_sharpe") for r in reversed(once.values())],
        "n_trials": experiments.count_trials(last),
        "series": {row.id: done[row.id].body.get("series") for row in mine if row.id in done},
        "code": context.code_version,
    }
    outcome = context.run([OperationRequest("deflate", identity, identity, {"trials": identity["n_trials"]})])[0]
    if outcome.result is None:
        raise NullAlphaError(f"the deflation failed: {(outcome.error or {}).get('message')}", path="deflate")
    context.stores.campaigns.put_fact(context.campaign.id, "deflation", outcome.result)


def remember(context: ResearchContext) -> None:
    """Write what was tried and learned as texts, and bring vectors and index up to date. Search-zone figures only."""
    zones = context.bars.zones
    window = (zones.search_start, zones.validation_start)
    rows = [row for row in context.stores.experiments.of_campaign(context.campaign.id) if row.fingerprint]
    assessed = context.stores.experiments.assessments([row.id for row in rows])
    texts = [
        Memory(f"m-{row.id}", "experiment", row.id, _sentence(row, assessed.get(row.id, []), context.vocabulary), window) for row in rows
    ]
    lessons = context.stores.lessons.of_campaign(context.campaign.id)
    texts += [Memory(derived_id("m", context.campaign.id, x.id), "lesson", x.id, x.text, x.window) for x in lessons]
    context.stores.memories.add(texts)
    context.remember()


def conclude(context: ResearchContext) -> None:
    """Write the report and close the campaign."""
    campaigns, campaign_id = context.stores.campaigns, context.campaign.id
    trials = sum(1 for row in context.stores.experiments.of_campaign(campaign_id) if row.fingerprint)
    status = "done"
    if trials < context.config.trials:
        status = "budget_exhausted" if context.out_of_time() else "done"
        spent, dry = "the time budget was spent", "the designer's other proposals were invalid or already tried"
        why = spent if status == "budget_exhausted" else dry
        campaigns.put_fact(campaign_id, "note", f"{trials} of {context.config.trials} trials were made: {why}")
    campaigns.put_fact(campaign_id, "report", context.report(campaign_id, status, context.spent_seconds()))
    campaigns.set_status(campaign_id, status)


def _judge_validated(context: ResearchContext, row: ExperimentRow, looked_at: str, p_values: dict[str, tuple[float | None, int]]) -> bool:
    """Record the verdict on one strategy from the experiment whose look it rests on; return whether it is shortlisted."""
    result = context.stores.experiments.result(looked_at, "validation")
    search = next(a for a in context.stores.experiments.assessments([row.id])[row.id] if a.stage == "search")
    excess = result.body["metrics"].get("excess_sharpe") if result and result.status == "done" else None
    p_value, n_joint = p_values[looked_at]
    prior = Assessment(search.verdict, tuple(search.reasons))  # type: ignore[arg-type]
    verdict = judge_validation(prior, excess, p_value, context.protocol.q)
    figures = {"excess_sharpe": excess, "p_stepm": p_value, "n_joint": n_joint}
    if looked_at == row.id:
        context.stores.looks.put_result(_look_id(row.id), figures)
    context.stores.experiments.put_assessment(row.id, "validation", verdict.verdict, verdict.reasons, {**figures, "looked_at": looked_at})
    return verdict.verdict == "shortlist"


def _candidate(row: ExperimentRow, assessment: AssessmentRow) -> Candidate:
    excess = assessment.figures["excess_sharpe"]
    return Candidate(
        row.id,
        row.fingerprint or "",
        assessment.verdict,  # type: ignore[arg-type]
        float(excess) if excess is not None else math.nan,
        int(assessment.figures["n_parameters"]),
    )


def _look_id(experiment_id: str) -> str:
    return derived_id("l", "validation", experiment_id)


def _sentence(row: ExperimentRow, assessed: list[AssessmentRow], vocabulary: Vocabulary) -> str:
    """Say what was tried and what came of it, in the words that a question about it would use: names alone mean nothing."""
    search = next((a for a in assessed if a.stage == "search"), None)
    figures = search.figures if search else {}
    excess, sharpe = figures.get("excess_sharpe"), figures.get("sharpe")
    used = sorted({feature["indicator"] for feature in (row.document or {}).get("features", {}).values()})
    indicators = "; ".join(f"{name}: {vocabulary[name].summary.rstrip('.')}" if name in vocabulary else name for name in used)
    outcome = "no figure" if excess is None else f"out-of-sample Sharpe {sharpe:.2f}, excess {excess:.2f}"
    verdict = search.verdict if search else "not assessed"
    return f"{row.hypothesis} {row.name} on {', '.join(row.instruments)}. Result: {outcome}; {verdict}. Uses {indicators}."
