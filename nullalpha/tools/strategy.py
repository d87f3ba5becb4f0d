"""Tools on strategy documents: schema, validation, compilation, explanation and the vocabulary of indicators."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.explain import explain
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.validate import parse_strategy
from nullalpha.tools.desk import Desk


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
    unit: str
    path_dependent: bool
    source: str


class IndicatorList(BaseModel):
    indicators: list[IndicatorRecord]


def strategy_schema(desk: Desk) -> StrategySchema:
    """Return the JSON Schema of strategy documents; the same schema can constrain a model's decoding."""
    return StrategySchema(json_schema=strategy_json_schema(desk.vocabulary))


def strategy_validate(desk: Desk, *, document: Annotated[str, Field(max_length=100_000)]) -> StrategyValidation:
    """Validate a strategy document (YAML or JSON text): all errors at once, each with path, value and nearest fix."""
    try:
        spec, warnings = parse_strategy(document, desk.vocabulary)
    except SpecError as error:
        return StrategyValidation(valid=False, fingerprint=None, errors=[_issue(i) for i in error.issues], warnings=[])
    plan = compile_strategy(spec, desk.vocabulary)
    return StrategyValidation(valid=True, fingerprint=plan.fingerprint, errors=[], warnings=[_issue(i) for i in warnings])


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


def strategy_explain(desk: Desk, *, document: Annotated[str, Field(max_length=100_000)]) -> StrategyExplanation:
    """Explain a strategy document in plain English."""
    spec, _ = parse_strategy(document, desk.vocabulary)
    plan = compile_strategy(spec, desk.vocabulary)
    return StrategyExplanation(fingerprint=plan.fingerprint, text=explain(plan, desk.vocabulary))


def strategy_indicators(desk: Desk) -> IndicatorList:
    """List every indicator with its inputs, parameter ranges, outputs and unit."""
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
                unit=signature.unit,
                path_dependent=signature.path_dependent,
                source=signature.source,
            )
        )
    return IndicatorList(indicators=records)


def _issue(issue: Issue) -> IssueRecord:
    return IssueRecord(path=issue.path, code=issue.code, message=issue.message, value=issue.value, suggestion=issue.suggestion)
