"""One draft from a language model: what is known goes into the prompt as data, the answer is held to the drafts' own schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, create_model

from nullalpha.agents.drafts import draft_from_parameters, without_unused
from nullalpha.agents.port import DesignContext, TrialOutcome, usable_indicators
from nullalpha.agents.space import point_at, search_space
from nullalpha.core.fingerprint import derive_seed
from nullalpha.llm.calls import CallRecord, Complete, Completion
from nullalpha.llm.endpoint import ModelEndpoint
from nullalpha.prompts.render import RenderedPrompt, quoted, render
from nullalpha.strategy.draft import MAX_DRAFT_FEATURES, MAX_DRAFT_RULES, Draft, DraftCondition
from nullalpha.strategy.drafting import constrained_draft
from nullalpha.strategy.vocabulary import IndicatorSignature

MAX_LESSONS = 8
MAX_TRIALS_SHOWN = 5
MAX_INDICATORS = 120
_HUES = 2**31


def design_with_model(
    context: DesignContext,
    complete: Complete,
    *,
    endpoint: ModelEndpoint,
    record: Callable[[CallRecord], None],
    siblings: Sequence[Draft] = (),
    seed: int,
) -> Completion[Draft]:
    """Ask a model for one draft over the context's indicators and instruments.

    Args:
        complete: the call to a model, `nullalpha.llm.client.complete`.
        siblings: drafts proposed in the same breath, which the model is asked not to repeat.
        seed: of the model's sampling and of the example that it is shown.

    Raises:
        ModelUnavailableError: the server does not answer.
        ModelAnswerError: no valid draft within the call's repairs.
    """
    prompt = designer_prompt(context, siblings, seed)

    def from_template(made: CallRecord) -> CallRecord:
        return replace(made, template=prompt.name, template_sha256=prompt.template_sha256)

    answer = complete(prompt.text, answer_type(context), endpoint=endpoint, seed=seed, record=lambda made: record(from_template(made)))
    return Completion(without_unused(Draft.model_validate(answer.value.model_dump())), from_template(answer.record))


def answer_type(context: DesignContext) -> type[Draft]:
    """Return the type of a model's answer: a draft over the context's words whose SCHEMA asks for all three features.

    No schema can say that rules name only features that are listed; with three listed, and those that no rule names left out afterwards,
    every answer that fits the schema is a valid draft. A server that does not hold answers to the schema may still send one or two.
    """
    vocabulary = {name: context.vocabulary[name] for name in usable_indicators(context)}
    base = constrained_draft(vocabulary, context.instruments)
    features: Any = base.model_fields["features"].annotation
    asked = Field(min_length=1, max_length=MAX_DRAFT_FEATURES, json_schema_extra={"minItems": MAX_DRAFT_FEATURES})
    return create_model("Draft", __base__=base, __doc__=Draft.__doc__, features=(features, asked))


def designer_prompt(context: DesignContext, siblings: Sequence[Draft], seed: int) -> RenderedPrompt:
    """Return the prompt for one draft: short enough, with its schema, for a context of 8,192 tokens."""
    best, worst = _extremes([*context.recalled, *context.history])
    return render(
        "designer",
        instruments=context.instruments,
        timeframe=context.timeframe,
        brief=context.brief,
        max_features=MAX_DRAFT_FEATURES,
        max_rules=MAX_DRAFT_RULES,
        indicators=[_indicator_line(context.vocabulary[name]) for name in usable_indicators(context)[:MAX_INDICATORS]],
        lessons=context.lessons[:MAX_LESSONS],
        best=[_trial_line(outcome) for outcome in best],
        worst=[_trial_line(outcome) for outcome in worst],
        siblings=[_draft_line(draft) for draft in siblings],
        example=_example(context, seed).model_dump_json(),
    )


def _example(context: DesignContext, seed: int) -> Draft:
    """Return a draft at a point of the space that the seed picks, so that no one example draws every answer to itself."""
    space = search_space(context)
    fractions = {name: derive_seed("example", seed, name) / _HUES for name in space}
    point = point_at(space, fractions)
    listed = draft_from_parameters({**point, "n_features": MAX_DRAFT_FEATURES}, context).features
    return draft_from_parameters(point, context).model_copy(update={"features": listed})


def _extremes(outcomes: Sequence[TrialOutcome]) -> tuple[list[TrialOutcome], list[TrialOutcome]]:
    """Return the best few and, of the rest, the worst few; failures are the worst."""
    ranked = sorted(outcomes, key=lambda outcome: float("-inf") if outcome.figure is None else outcome.figure, reverse=True)
    best = [outcome for outcome in ranked if outcome.figure is not None][:MAX_TRIALS_SHOWN]
    return best, ranked[len(best) :][-MAX_TRIALS_SHOWN:]


def _indicator_line(signature: IndicatorSignature) -> str:
    if not signature.parameters:
        return f"{signature.name}: {signature.summary}"
    first = signature.parameters[0]
    return f"{signature.name}: {signature.summary} ({first.name} {first.low:g} to {first.high:g}, usually {first.default:g})"


def _trial_line(outcome: TrialOutcome) -> str:
    figure = "failed" if outcome.figure is None else f"excess Sharpe {outcome.figure:+.2f}"
    verdict = f", {outcome.verdict}" if outcome.verdict else ""
    return f"{figure}{verdict}: {_draft_line(outcome.draft)}"


def _condition_words(condition: DraftCondition) -> str:
    return f"{condition.feature} is {'not ' if condition.negated else ''}{condition.level}"


def _draft_line(draft: Draft) -> str:
    features = ", ".join(f"{feature.indicator}({feature.period}{', z' if feature.standardised else ''})" for feature in draft.features)
    rules = "; ".join(f"{f' {rule.join} '.join(_condition_words(c) for c in rule.conditions)} -> {rule.direction}" for rule in draft.rules)
    return f"{features} | {rules} | {draft.model}, {draft.horizon_bars} bars | {quoted(draft.hypothesis)}"
