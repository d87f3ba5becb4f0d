"""Tools on strategy documents: schema, validation, compilation, explanation, likeness and the vocabulary of indicators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from nullalpha.core.errors import Issue, NotFoundError, SpecError, UsageError
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.decoder import decoder_schema
from nullalpha.strategy.explain import explain
from nullalpha.strategy.learned import describe_learned
from nullalpha.strategy.plan import Plan
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.structure import likeness, structure_of
from nullalpha.strategy.validate import parse_strategy
from nullalpha.tools.desk import Desk

if TYPE_CHECKING:
    from nullalpha.memory.experiments import ExperimentRow


class IssueRecord(BaseModel):
    path: str
    code: str
    message: str
    value: str | None
    suggestion: str | None


class StrategyValidation(BaseModel):
    valid: bool
    fingerprint: str | None
    errors: list[IssueRecord]
    warnings: list[IssueRecord]


class StrategySchema(BaseModel):
    json_schema: dict[str, Any] = Field(serialization_alias="schema")


class StrategyPlan(BaseModel):
    fingerprint: str
    name: str
    n_features: int
    n_rules: int
    n_parameters: int
    warmup_bars: int
    canonical: dict[str, Any]


class StrategyExplanation(BaseModel):
    fingerprint: str
    text: str


class IndicatorRecord(BaseModel):
    name: str
    summary: str
    inputs: list[str]
    parameters: dict[str, dict[str, float]]
    outputs: list[str]
    units: dict[str, str]
    takes_input: list[str]
    stability: str
    source: str


class Likeness(BaseModel):
    """One experiment beside a document: `structure` and `text` are cosines, 1 for the same."""

    experiment_id: str
    name: str
    campaign_id: str | None
    same: bool
    likeness: float
    structure: float
    text: float | None
    verdict: str | None
    excess_sharpe: float | None
    hypothesis: str


class SimilarStrategies(BaseModel):
    fingerprint: str
    n_known: int
    nearest: list[Likeness]


class NoteRecord(BaseModel):
    path: str
    message: str


class StrategyImport(BaseModel):
    """`strategy` is None if anything could not be carried."""

    strategy: dict[str, Any] | None
    notes: list[NoteRecord]
    errors: list[IssueRecord]


class IndicatorList(BaseModel):
    indicators: list[IndicatorRecord]


def strategy_schema(
    desk: Desk,
    *,
    decoder: Annotated[bool, Field(description="the form that constrained decoding can hold a model to")] = False,
    instruments: Annotated[list[str], Field(min_length=1, max_length=20, description="decoder: what may be traded")] = ["SPX", "IXIC"],  # noqa: B006
) -> StrategySchema:
    """Return the JSON Schema of strategy documents, exact or in the form that constrains a model's decoding."""
    if not decoder:
        return StrategySchema(json_schema=strategy_json_schema(desk.vocabulary))
    return StrategySchema(json_schema=decoder_schema(desk.vocabulary, instruments))


def strategy_validate(
    desk: Desk,
    *,
    document: Annotated[str, Field(max_length=100_000)],
    on_bars: Annotated[bool, Field(description="also look at the search zone's bars: dead zones, rules that never fire")] = False,
) -> StrategyValidation:
    """Validate a strategy document (YAML or JSON text): all errors at once, each with path, value and nearest fix; and warnings."""
    try:
        spec, warnings = parse_strategy(document, desk.vocabulary)
    except SpecError as error:
        return StrategyValidation(valid=False, fingerprint=None, errors=[_issue(i) for i in error.issues], warnings=[])
    plan = compile_strategy(spec, desk.vocabulary)
    if on_bars:
        warnings = [*warnings, *_on_bars(desk, plan)]
    return StrategyValidation(valid=True, fingerprint=plan.fingerprint, errors=[], warnings=[_issue(i) for i in warnings])


def _on_bars(desk: Desk, plan: Plan) -> Iterator[Issue]:
    """Yield what the search zone's bars show of a strategy's sets and rules."""
    from nullalpha.engines.coverage import lint_on_bars  # noqa: PLC0415  (loads the indicators' kernels)
    from nullalpha.tools.bars import search_bars  # noqa: PLC0415

    others = {symbol: search_bars(desk, symbol, plan.timeframe) for symbol in plan.other_instruments}
    for symbol in plan.instruments:
        yield from lint_on_bars(plan, search_bars(desk, symbol, plan.timeframe), others)


def strategy_compile(desk: Desk, *, document: Annotated[str, Field(max_length=100_000)]) -> StrategyPlan:
    """Compile a strategy document to its canonical form, whose hash is the fingerprint."""
    spec, _ = parse_strategy(document, desk.vocabulary)
    plan = compile_strategy(spec, desk.vocabulary)
    return StrategyPlan(
        fingerprint=plan.fingerprint,
        name=plan.name,
        n_features=len(plan.features),
        n_rules=len(plan.rules),
        n_parameters=plan.n_parameters,
        warmup_bars=plan.warmup_bars,
        canonical=canonical_document(plan),
    )


def strategy_explain(
    desk: Desk,
    *,
    document: Annotated[str, Field(max_length=100_000)] | None = None,
    experiment: Annotated[str, Field(max_length=64)] | None = None,
) -> StrategyExplanation:
    """Explain a strategy in plain English: a document, or an experiment with what it learned in its last training window."""
    if (document is None) == (experiment is None):
        raise UsageError("give a document or an experiment, one of them", path="document", suggestion="experiment: e-...")
    learned: Mapping[str, Any] = {}
    given: str | Mapping[str, Any] = document or ""
    if experiment is not None:
        row = desk.stores.experiments.get(experiment)
        result = desk.stores.experiments.result(experiment, "search")
        if row.document is None:
            raise NotFoundError(f"{experiment} never became a strategy", path="experiment", value=experiment)
        given, learned = row.document, result.body if result and result.status == "done" else {}
    spec, _ = parse_strategy(given, desk.vocabulary)
    plan = compile_strategy(spec, desk.vocabulary)
    text = "\n\n".join([explain(plan, desk.vocabulary), *describe_learned(learned)])
    return StrategyExplanation(fingerprint=plan.fingerprint, text=text)


def strategy_similar(
    desk: Desk, *, document: Annotated[str, Field(max_length=100_000)], k: Annotated[int, Field(ge=1, le=100)] = 8
) -> SimilarStrategies:
    """Find the known experiments nearest to a document, by what they do (structure) and by what they claim (text)."""
    spec, _ = parse_strategy(document, desk.vocabulary)
    plan = compile_strategy(spec, desk.vocabulary)
    rows = [row for row in desk.stores.experiments.all() if row.fingerprint and row.structure]
    own = structure_of(plan)
    structures = {row.id: likeness(own, row.structure or {}) for row in rows}
    texts = {ref: near for kind, ref, _, _, near in desk.recollection.search(spec.hypothesis, 100) if kind == "experiment"} if rows else {}
    scores = {row.id: _joint(structures[row.id], texts.get(row.id)) for row in rows}
    chosen: dict[str, ExperimentRow] = {}
    for row in sorted(rows, key=lambda row: (-scores[row.id], row.ordinal)):
        chosen.setdefault(row.fingerprint or row.id, row)  # one of those that behave the same
    best = list(chosen.values())[:k]
    assessed = desk.stores.experiments.assessments([row.id for row in best])
    nearest = []
    for row in best:
        search = next((a for a in assessed.get(row.id, []) if a.stage == "search"), None)
        nearest.append(
            Likeness(
                experiment_id=row.id,
                name=row.name,
                campaign_id=row.campaign_id,
                same=row.fingerprint == plan.fingerprint,
                likeness=round(scores[row.id], 4),
                structure=round(structures[row.id], 4),
                text=None if row.id not in texts else round(texts[row.id], 4),
                verdict=search.verdict if search else None,
                excess_sharpe=search.figures.get("excess_sharpe") if search else None,
                hypothesis=row.hypothesis,
            )
        )
    return SimilarStrategies(fingerprint=plan.fingerprint, n_known=len(rows), nearest=nearest)


def _joint(structure: float, text: float | None) -> float:
    """Return the likeness that ranks: three parts what it does, one part what it says; what it does alone where no text is known."""
    return structure if text is None else 0.75 * structure + 0.25 * text


def strategy_import(
    desk: Desk, *, document: Annotated[str, Field(max_length=100_000)], source: Literal["ktrdr"] = "ktrdr"
) -> StrategyImport:
    """Translate a strategy file of another system, with all that changed and why; what cannot be carried is an error, never a guess."""
    from nullalpha.strategy.importing.ktrdr import import_ktrdr  # noqa: PLC0415  (no other tool needs it)

    importers = {"ktrdr": import_ktrdr}
    found = importers[source](document, desk.vocabulary)
    return StrategyImport(
        strategy=found.document,
        notes=[NoteRecord(path=note.path, message=note.message) for note in found.notes],
        errors=[_issue(issue) for issue in found.errors],
    )


def strategy_indicators(desk: Desk) -> IndicatorList:
    """List every indicator with its inputs, parameter ranges, outputs, units and stability; operators also say what they are applied to."""
    records = []
    for name in sorted(desk.vocabulary):
        signature = desk.vocabulary[name]
        records.append(
            IndicatorRecord(
                name=name,
                summary=signature.summary,
                inputs=list(signature.inputs),
                parameters={p.name: {"default": p.default, "low": p.low, "high": p.high} for p in signature.parameters},
                outputs=list(signature.outputs),
                units={output: signature.unit_of(output) for output in signature.outputs},
                takes_input=list(signature.series),
                stability=signature.stability,
                source=signature.source,
            )
        )
    return IndicatorList(indicators=records)


def _issue(issue: Issue) -> IssueRecord:
    return IssueRecord(path=issue.path, code=issue.code, message=issue.message, value=issue.value, suggestion=issue.suggestion)
