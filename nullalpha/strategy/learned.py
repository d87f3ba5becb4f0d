"""What training made of a strategy, in plain English, from an experiment's recorded result: its rules and sets, which rules carry it, and
which simpler answers it does not beat. A figure that an earlier record does not hold is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BASELINES = {
    "zero_loss": "predicting nothing",
    "majority_loss": "always giving the usual answer",
    "linear_loss": "a linear model",
    "boosting_loss": "gradient boosting",
}
"""What a model is compared with, by the name of its loss."""


def describe_learned(body: Mapping[str, Any]) -> list[str]:
    """Return a paragraph an instrument, and one on baselines; nothing if there is no model."""
    paragraphs = []
    prunings = body.get("pruning") or {}
    for symbol, rules in (body.get("rules") or {}).items():
        lines, pruned = [f"What it learned on {symbol}, in its last training window:"], prunings.get(symbol) or ()
        for rule, needed in zip(rules, needed_rules(rules, pruned), strict=True):
            weight = f", at weight {rule['weight']:g}" if rule.get("weight", 1.0) != 1.0 else ""
            lines.append(
                f"- {whose(rule)}{rule['text']}: has {_share(rule['firing_share'])} of the say{weight}, makes up "
                f"{_share(rule['contribution'])} of the output, leans {_side(rule['lean'])}; its answer is {_linear(rule)}"
                f"{'' if needed else '; it could go'}"
            )
            lines += [f"    {describe_trained_set(one)}" for one in rule["sets"]]
        lines += [f"- {sentence}" for sentence in describe_prunings(pruned)]
        if rules:
            paragraphs.append("\n".join(lines))
    for symbol, sets in (body.get("set_influences") or {}).items():
        lines = [f"What moves its answer on {symbol}, in its last training window:"]
        for one in sets:
            lines.append(
                f"- {whose(one)}{one['feature']} is {one['name']}: {_share(one['share'])} of all influence, leans {_side(one['lean'])}"
            )
            if one.get("moved_far"):
                lines.append(f"    {describe_trained_set(one)}")
        if sets:
            paragraphs.append("\n".join(lines))
    beaten = describe_baselines(body.get("folds") or ())
    return [*paragraphs, beaten] if beaten else paragraphs


def describe_trained_set(one: Mapping[str, Any]) -> str:
    """Return where a set ended up, e.g. `rsi is low: gaussian [28.1, 6.3], now very low, true of 12% of its training bars`.

    A set that moved by more than its width says so: its name may mislead, the word for where it lies now does not.
    """
    text = f"{one['feature']} is {one['name']}: {one['shape']} {[_number(p) for p in one['params']]}"
    if one.get("word"):
        text += f", now {one['word']}, true of {_share(one['membership'])} of its training bars"
    if one.get("moved_far"):
        text += f"; it moved {'up' if one['moved'] > 0 else 'down'} by {abs(one['moved']):.1f} of its widths, so read its name with care"
    return text


def needed_rules(rules: Sequence[Mapping[str, Any]], prunings: Iterable[Mapping[str, Any]]) -> list[bool]:
    """Return whether each rule is in the smallest base that keeps the stated fidelity; all are where nothing was pruned."""
    kept = {one["member"]: set(one["kept"]) for one in prunings}
    needed, before = [], dict.fromkeys(kept, 0)
    for rule in rules:
        member = rule["member"]
        needed.append(member not in kept or before[member] in kept[member])
        if member in before:
            before[member] += 1
    return needed


def describe_prunings(prunings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return how few rules say nearly the same, and which sets could be one, a sentence each."""
    sentences = []
    for one in prunings:
        whole, *fewer = one["steps"]
        kept, total, fidelity, least = len(one["kept"]), whole["n_rules"], one["fidelity"], one["least"]
        if kept < total:
            sentences.append(
                f"{whose(one)}{kept} of {total} rules give {fidelity['r2']:.2f} of what it says (R2); side agreement "
                f"{fidelity['side_agreement']:.2f}; loss {_loss(fidelity)}, {_loss(whole)} with all"
            )
        elif fewer:
            sentences.append(
                f"{whose(one)}none of its {total} rules can go: without the least of them R2 {_figure(fewer[0]['r2'])}, side agreement "
                f"{fewer[0]['side_agreement']:.3f}, where {least['r2']:g} and {least['side_agreement']:g} are asked"
            )
        sentences += [
            f"{whose(one)}{pair['feature']} is {pair['first']} and is {pair['second']} could be one set (overlap {pair['overlap']:.2f})"
            for pair in one["alike"]
        ]
    return sentences


def describe_baselines(folds: Iterable[Mapping[str, Any]]) -> str:
    """Return in how many refits the model's loss was below each baseline's; nothing if nothing was compared."""
    compared = [fold["baselines"] for fold in folds if fold.get("baselines")]
    counts = []
    for name, words in BASELINES.items():
        losses = [(one["model_loss"], one[name]) for one in compared if name in one]
        if losses:
            beaten = sum(model is not None and other is not None and model < other for model, other in losses)
            counts.append(f"{words} in {beaten} of {len(losses)}")
    return f"On the rows that chose when to stop, its loss is below that of {'; '.join(counts)} refits." if counts else ""


def whose(item: Mapping[str, Any]) -> str:
    """Return whose rule or set it is, where it is a member's."""
    return f"({item['member']}) " if item.get("member") else ""


def _side(lean: float | None) -> str:
    return "neither way" if not lean else "long" if lean > 0 else "short"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"


def _number(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _loss(step: Mapping[str, Any]) -> str:
    return "unknown" if step["stop_loss"] is None else f"{step['stop_loss']:.4f}"


def _linear(rule: Mapping[str, Any]) -> str:
    terms = [f"{c['value']:+.3g} x {c['feature']}" for c in rule["coefficients"] if c["value"]]
    return f"{rule['bias'] or 0:.3g}" + (f" {' '.join(terms)} (features in standard deviations)" if terms else "")
