"""Recall, design and compile: from memory and results so far to a generation of registered strategies."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from nullalpha.agents.port import DesignContext, Proposal, TrialOutcome
from nullalpha.core.errors import DataError, Issue, SpecError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.core.ids import derived_id
from nullalpha.engines.features.indicators.registry import DRAFT_VOCABULARY
from nullalpha.engines.features.quantiles import feature_quantiles
from nullalpha.engines.protocol import MIN_TRAIN_ROWS, first_training_stop, walk_forward
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import AssessmentRow, Design, ExperimentRow, registration
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.draft import Draft, DraftFeature
from nullalpha.strategy.drafting import Quantiles, draft_to_document, feature_of_draft
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.structure import structure_of
from nullalpha.strategy.validate import parse_strategy

MAX_ATTEMPTS = 5
RECALL_BEST, RECALL_WORST, RECALL_LESSONS, RECALL_CAMPAIGNS = 12, 4, 12, 3


def recall(context: ResearchContext) -> None:
    """Fix what this campaign may know of earlier ones: recorded once, so that a resumed campaign recalls the same."""
    campaign, stores = context.campaign, context.stores
    zones_version, validation_start = campaign.zones_version, context.bars.zones.validation_start
    earlier = [row for row in stores.campaigns.all() if row.id != campaign.id and row.created < campaign.created]
    usable = {row.id for row in earlier if row.zones_version == zones_version and row.config["timeframe"] == context.config.timeframe}
    ranked = _ranked(context, [row for row in stores.experiments.all() if row.campaign_id in usable and row.draft])
    learned = [row.id for row in earlier if row.id in usable and row.config["designer"] != "person"]
    lessons = [
        lesson.text
        for campaign_id in learned[:RECALL_CAMPAIGNS]
        for lesson in stores.lessons.of_campaign(campaign_id)
        if lesson.window[1] <= validation_start
    ]
    chosen = ranked[:RECALL_BEST] + ranked[RECALL_BEST:][-RECALL_WORST:]
    body = {"experiments": [row.id for row in chosen], "lessons": lessons[:RECALL_LESSONS], "models": _models(context, chosen)}
    stores.campaigns.put_fact(campaign.id, "recall", {**body, "hash": fingerprint(body)})


def _models(context: ResearchContext, recalled: list[ExperimentRow]) -> list[list[str | None]]:
    """Return (name, stated training cutoff) of every language model that had a part in what this campaign designs or recalls."""
    found: set[tuple[str, str | None]] = set()
    if context.config.designer == "llm":
        found.add((context.config.model or "", context.config.training_cutoff))
    for campaign_id in {row.campaign_id for row in recalled if row.campaign_id}:
        known = context.stores.campaigns.fact(campaign_id, "recall") or {}
        found |= {(name, cutoff) for name, cutoff in known.get("models", [])}
    return [[name, cutoff] for name, cutoff in sorted(found, key=str)]


def design(context: ResearchContext, generation: int, attempt: int, n: int) -> None:
    """Ask the designer for `n` proposals and record them before anything is made of them."""
    name = _proposals_name(generation, attempt)
    if context.stores.campaigns.fact(context.campaign.id, name) is not None:
        return
    proposals = context.designer.propose(design_context(context, generation, attempt), n)
    body = [{"draft": p.draft.model_dump(mode="json"), "parameters": dict(p.parameters), "note": p.note} for p in proposals]
    context.stores.campaigns.put_fact(context.campaign.id, name, body)


def design_context(context: ResearchContext, generation: int, attempt: int) -> DesignContext:
    """Return all that the designer may use: a pure function of the ledger, so that a resumed campaign asks the same."""
    experiments = context.stores.experiments
    recalled = context.stores.campaigns.fact(context.campaign.id, "recall") or {"experiments": [], "lessons": []}
    history = [row for row in experiments.of_campaign(context.campaign.id) if row.generation < generation and row.fingerprint]
    return DesignContext(
        campaign_seed=context.config.seed,
        generation=generation,
        instruments=context.config.instruments,
        timeframe=context.config.timeframe,
        vocabulary=DRAFT_VOCABULARY,
        history=_outcomes(context, history),
        recalled=_outcomes(context, [experiments.get(i) for i in recalled["experiments"]]),
        lessons=tuple(recalled["lessons"]),
        attempt=attempt,
        has_volume=_has_volume(context),
        brief=context.config.brief,
    )


def compile_proposals(context: ResearchContext, generation: int, attempt: int, slots: list[int]) -> tuple[list[str], list[int]]:
    """Compile the recorded proposals into registered experiments.

    Returns:
        ids of those that compiled, and the slots still open: an invalid proposal is logged with its errors, one already tried is
        logged with the name of the first, and either slot is designed again.
    """
    body = context.stores.campaigns.fact(context.campaign.id, _proposals_name(generation, attempt)) or []
    proposals = [Proposal(Draft.model_validate(p["draft"]), p["parameters"], p["note"]) for p in body]
    known = {
        row.fingerprint: row
        for row in context.stores.experiments.of_campaign(context.campaign.id)
        if row.fingerprint and (row.generation, row.attempt) < (generation, attempt)
    }
    designs = []
    for slot, proposal in zip(slots, proposals, strict=False):
        made = _compiled(context, generation, attempt, slot, proposal)
        first = known.get(made.fingerprint) if made.fingerprint else None
        if first is not None:
            made = _already_tried(made, first.id, first.name)
        elif made.fingerprint:
            known[made.fingerprint] = made  # type: ignore[assignment]
        designs.append(made)
    context.stores.experiments.register(designs)
    filled = [made for made in designs if made.fingerprint]
    for made in designs:
        if not made.fingerprint:
            context.emit("refused", {"id": made.id, "name": made.name, "issues": made.issues[:3]})
    done = {made.slot for made in filled}
    return [made.id for made in filled], [slot for slot in slots if slot not in done]


def quantile_source(context: ResearchContext, instruments: tuple[str, ...]) -> Quantiles:
    """Return a measure of features over the first training window of the search zone, averaged over the instruments."""
    windows = []
    for symbol in instruments:
        bars = context.search_bars(symbol)
        windows.append(bars.slice(0, first_training_stop(context.protocol, context.search_span, bars)))

    @lru_cache(maxsize=256)
    def quantiles(feature: DraftFeature) -> tuple[float, float, float, float, float]:
        plan = feature_of_draft(feature, context.vocabulary, context.config.timeframe)
        measured = [feature_quantiles(plan, bars, len(bars)) for bars in windows]
        low, lower, middle, upper, high = (sum(column) / len(measured) for column in zip(*measured, strict=True))
        return low, lower, middle, upper, high

    return quantiles


def _compiled(context: ResearchContext, generation: int, attempt: int, slot: int, proposal: Proposal) -> Design:
    base: dict[str, Any] = {
        "id": derived_id("e", context.campaign.id, generation, slot, attempt),
        "campaign_id": context.campaign.id,
        "generation": generation,
        "slot": slot,
        "attempt": attempt,
        "designer": context.designer.name,
        "actor": f"designer:{context.designer.name}",
        "hypothesis": proposal.draft.hypothesis,
        "instruments": sorted(proposal.draft.instruments),
        "draft": proposal.draft.model_dump(mode="json"),
        "parameters": dict(proposal.parameters),
    }
    refused = {"name": "invalid", "fingerprint": None, "registration": None, "document": None}
    try:
        quantiles = quantile_source(context, tuple(proposal.draft.instruments))
        document = draft_to_document(proposal.draft, quantiles, context.vocabulary, context.config.timeframe)
        spec, warnings = parse_strategy(document, context.vocabulary)
        plan = compile_strategy(spec, context.vocabulary)
        _refuse_long_warmup(context, plan)
    except SpecError as error:
        return Design(**base, **refused, issues=[asdict(issue) for issue in error.issues])  # type: ignore[arg-type]
    except DataError as error:
        issue = Issue("features", error.code, error.message, error.value, error.suggestion)
        return Design(**base, **refused, issues=[asdict(issue)])  # type: ignore[arg-type]
    return Design(
        **base,
        name=plan.name,
        fingerprint=plan.fingerprint,
        registration=registration(document),
        document=document,
        issues=[asdict(issue) for issue in warnings],
        structure=structure_of(plan),
    )


def _refuse_long_warmup(context: ResearchContext, plan: Plan) -> None:
    """Refuse a strategy whose features are not known early enough for its first fold to train.

    Raises:
        SpecError: naming the warm-up and the rows that it leaves.
    """
    for symbol in plan.instruments:
        first = walk_forward(context.protocol, context.search_span, context.search_bars(symbol))[0]
        left = len(first.train_rows) - max(plan.warmup_bars, plan.labels.volatility_bars)
        if left < MIN_TRAIN_ROWS:
            message = f"a warm-up of {plan.warmup_bars} bars leaves {max(left, 0)} training rows of {symbol} in the first fold"
            fix = f"shorten periods, z-scores or weekly features until {MIN_TRAIN_ROWS} rows are left"
            raise SpecError([Issue("features", "warmup_too_long", message, str(plan.warmup_bars), fix)])


def _already_tried(made: Design, first_id: str, first_name: str) -> Design:
    issue = Issue("", "already_tried", f"behaves exactly as {first_name} ({first_id}), whose result stands for it", made.fingerprint)
    return Design(**{**made.__dict__, "fingerprint": None, "registration": None, "issues": [asdict(issue)]})


def _outcomes(context: ResearchContext, rows: list[ExperimentRow]) -> tuple[TrialOutcome, ...]:
    assessed = context.stores.experiments.assessments([row.id for row in rows])
    outcomes = []
    for row in rows:
        if row.draft is None:
            continue
        verdicts = {a.stage: a for a in assessed.get(row.id, [])}
        search = verdicts.get("search")
        shortlisted = "validation" in verdicts and verdicts["validation"].verdict == "shortlist"
        verdict = "shortlist" if shortlisted else search.verdict if search else None  # of sealed zones, this word alone
        outcomes.append(
            TrialOutcome(
                draft=Draft.model_validate(row.draft),
                parameters=row.parameters or {},
                excess_sharpe=search.figures.get("excess_sharpe") if search else None,
                verdict=verdict,  # type: ignore[arg-type]
                trade_share=_trade_share(context, search),
            )
        )
    return tuple(outcomes)


def _trade_share(context: ResearchContext, search: AssessmentRow | None) -> float:
    made = (search.figures.get("n_entry_days") or 0) if search else 0
    return min(1.0, made / context.protocol.min_trades)


def _ranked(context: ResearchContext, rows: list[ExperimentRow]) -> list[ExperimentRow]:
    assessed = context.stores.experiments.assessments([row.id for row in rows])
    scored: dict[str, tuple[float, ExperimentRow]] = {}
    for row in rows:
        for assessment in assessed.get(row.id, []):
            value = assessment.figures.get("excess_sharpe")
            if assessment.stage == "search" and value is not None and row.fingerprint:
                scored.setdefault(row.fingerprint, (value, row))
    return [row for _, row in sorted(scored.values(), key=lambda item: (-item[0], item[1].id))]


def _has_volume(context: ResearchContext) -> bool:
    return all(bool((context.search_bars(symbol).volume > 0).any()) for symbol in context.config.instruments)


def _proposals_name(generation: int, attempt: int) -> str:
    return f"proposals-{generation}-{attempt}"
