"""What training made of a strategy, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nullalpha.cli.output import number
from nullalpha.strategy.learned import BASELINES, describe_baselines, describe_prunings, describe_trained_set, needed_rules, whose


def learned_lines(rules: Mapping[str, Any], pruning: Mapping[str, Any], folds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line a rule with a line for each of its sets below, what could go, and how the refits did against baselines."""
    lines = []
    for symbol, own in rules.items():
        pruned = pruning.get(symbol) or ()
        for rule, needed in zip(own, needed_rules(own, pruned), strict=True):
            weight = f"weight {rule['weight']:g}, " if rule.get("weight", 1.0) != 1.0 else ""
            lines.append(
                f"[{symbol}] {whose(rule)}{rule['text']}  {weight}fires {_percent(rule['firing_share'])}, contributes "
                f"{_percent(rule['contribution'])}, leans {number(rule['lean'], 3)}{'' if needed else ', could go'}"
            )
            lines += [f"    {describe_trained_set(one)}" for one in rule["sets"]]
        lines += [f"[{symbol}] {sentence}" for sentence in describe_prunings(pruned)]
    beaten = describe_baselines(folds)
    return [*lines, beaten] if beaten else lines


def fold_lines(fold: Mapping[str, Any]) -> list[str]:
    """Return a refit's losses beside its baselines', and a line for each that it does not beat."""
    base = fold["baselines"] or {}
    others = ", ".join(f"{words} {number(base[name], 4)}" for name, words in BASELINES.items() if name in base)
    head = (
        f"{fold['instrument']} fold {fold['fold']}: trained {fold['train'][0]} to {fold['train'][1]}, best epoch {fold['best_epoch']} of "
        f"{fold['epochs_run']}, loss {number(fold['stop_loss'], 4)}{f' ({others})' if others else ''}"
    )
    if fold["best_epoch"] == 0 and fold["epochs_run"] > 0:
        head += "; training improved nothing: these are the weights that it began with"
    return [head, *(f"  - {shortfall}" for shortfall in base.get("shortfalls", ()))]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
