"""Validation: from a text or a mapping to a typed strategy, or to everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.document import MAX_ISSUES, check_tree, read_document
from nullalpha.strategy.issues import shape_issues
from nullalpha.strategy.lint import lint
from nullalpha.strategy.semantics import semantic_issues
from nullalpha.strategy.spec import StrategySpec
from nullalpha.strategy.vocabulary import Vocabulary


def parse_strategy(source: str | bytes | Mapping[str, object], vocabulary: Vocabulary) -> tuple[StrategySpec, list[Issue]]:
    """Return the strategy in a document (YAML or JSON text, or plain values), and warnings about it.

    Raises:
        SpecError: with every issue of the document: its text, its shape and its meaning.
    """
    document = read_document(source) if isinstance(source, str | bytes) else check_tree(source)
    spec: StrategySpec | None = None
    shape: list[Issue] = []
    try:
        spec = StrategySpec.model_validate(document.values)
    except ValidationError as error:
        shape = shape_issues(error, MAX_ISSUES + 1)
    issues = _merge(document.issues, shape, semantic_issues(document.values, vocabulary))
    if issues or spec is None:
        raise SpecError(issues)
    return spec, lint(spec, compile_strategy(spec, vocabulary), vocabulary)


def _merge(refused: Iterable[Issue], shape: Iterable[Issue], meaning: Iterable[Issue]) -> list[Issue]:
    """Put the three kinds together; where the text was refused, what the refused value lacks is not said again."""
    merged = list(refused)
    places = {issue.path for issue in merged if issue.code != "duplicate_key"}
    for issue in (*shape, *meaning):
        parts = issue.path.split(".")
        if not any(".".join(parts[: i + 1]) in places for i in range(len(parts))):
            merged.append(issue)
    if len(merged) > MAX_ISSUES:
        more = len(merged) - MAX_ISSUES
        merged = [*merged[:MAX_ISSUES], Issue("document", "too_many_errors", f"and {more} or more further errors")]
    return merged
