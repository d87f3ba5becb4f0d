"""A campaign's report: rows of the ledger and stored series, handed to the page that people read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nullalpha.core.artifacts import write_durably
from nullalpha.engines.series import as_dates, get_arrays
from nullalpha.reports.detail import CampaignFacts, ExperimentDetail, FoldLine, RuleLine, ZoneLine
from nullalpha.reports.figures import amount
from nullalpha.reports.html import MAX_SECTIONS, render_campaign
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.explain import explain
from nullalpha.strategy.learned import describe_baselines, describe_prunings, describe_trained_set, needed_rules, whose
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.yaml_form import to_yaml
from nullalpha.tools.results import campaign_result

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab

_FIGURES = 3


def write_report(lab: Lab, campaign_id: str, status: str, seconds: float) -> Path:
    """Write the campaign's page under the home and return its path; writing it again replaces it whole."""
    result = campaign_result(lab.stores, lab.home, campaign_id, person=True).model_copy(update={"status": status, "seconds": seconds})
    details = {}
    for record in result.experiments[:MAX_SECTIONS]:
        detail = experiment_detail(lab, record.id)
        if detail is not None:
            details[record.id] = detail
    page = render_campaign(result, details, _facts(lab, campaign_id))
    path = lab.home / "reports" / f"{campaign_id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, page.encode())
    return path


def experiment_detail(lab: Lab, experiment_id: str) -> ExperimentDetail | None:
    """Return what a report draws of one experiment, or None if it has no result."""
    result = lab.stores.experiments.result(experiment_id, "search")
    if result is None or result.status != "done":
        return None
    row, body = lab.stores.experiments.get(experiment_id), result.body
    arrays = get_arrays(lab.artifacts, body["series"])
    spec, _ = parse_strategy(row.document or {}, lab.vocabulary)
    search = next((a for a in lab.stores.experiments.assessments([row.id]).get(row.id, []) if a.stage == "search"), None)
    days, prunings = arrays["bar_days"], body.get("pruning") or {}
    last = np.flatnonzero(np.append(np.diff(days) != 0, True))  # of intraday bars, the last of each day
    return ExperimentDetail(
        experiment_id=row.id,
        dates=as_dates(days[last]),
        equity=arrays["equity"][last],
        buy_and_hold=arrays["holding_equity"][last],
        drawdown=arrays["drawdown"][last],
        fold_starts=tuple(sorted({fold["test"][0] for fold in body["folds"]})),
        words=explain(compile_strategy(spec, lab.vocabulary), lab.vocabulary),
        rules=tuple(line for symbol, rules in body["rules"].items() for line in _rules(rules, symbol, prunings.get(symbol, ()))),
        pruning=tuple(f"{symbol}: {said}" for symbol, own in prunings.items() for said in describe_prunings(own)),
        baselines=describe_baselines(body["folds"]),
        folds=tuple(_fold(fold) for fold in body["folds"]),
        notes=tuple(search.figures.get("annotations", [])) if search else (),
        yaml=to_yaml(row.document or {}),
    )


def _facts(lab: Lab, campaign_id: str) -> CampaignFacts:
    row = lab.stores.campaigns.get(campaign_id)
    current = lab.stores.looks.current_zones()
    zones: tuple[ZoneLine, ...] = ()
    if current is not None:
        dates = current[1]
        zones = (
            ZoneLine("search", dates.search_start, dates.validation_start),
            ZoneLine("validation", dates.validation_start, dates.lockbox_start),
            ZoneLine("lockbox", dates.lockbox_start, ""),
        )
    protocol = tuple((name.replace("_", " "), value if isinstance(value, str) else amount(value)) for name, value in row.protocol.items())
    return CampaignFacts(brief=row.config.get("brief", ""), zones=zones, protocol=protocol)


def _rules(rules: list[dict[str, Any]], symbol: str, prunings: Sequence[dict[str, Any]]) -> list[RuleLine]:
    """Return the rules of an instrument's last model, strongest first."""
    marked = zip(rules, needed_rules(rules, prunings), strict=True)
    ordered = sorted(marked, key=lambda pair: -(pair[0].get("contribution") or 0.0))
    return [_rule(rule, symbol, needed) for rule, needed in ordered]


def _rule(rule: dict[str, Any], symbol: str, needed: bool) -> RuleLine:
    return RuleLine(
        text=f"{whose(rule)}{rule['text']}",
        firing_share=rule["firing_share"],
        contribution=rule["contribution"],
        lean=rule["lean"],
        consequent=_consequent(rule),
        sets=tuple(describe_trained_set(item) for item in rule["sets"]),
        group=f"{symbol}, last fold",
        needed=needed,
    )


def _consequent(rule: dict[str, Any]) -> str:
    parts = [f"{rule['bias']:.3g}"]
    for item in rule["coefficients"]:
        name, value = item["feature"], item["value"]
        if value:
            parts.append(f"{'+' if value >= 0 else '-'} {abs(value):.{_FIGURES}g} {name}")
    return " ".join(parts)


def _fold(fold: dict[str, Any]) -> FoldLine:
    baselines = fold.get("baselines") or {}
    trained = fold["epochs_run"] > 0
    return FoldLine(
        fold=fold["fold"],
        train=(fold["train"][0], fold["train"][1]),
        test=(fold["test"][0], fold["test"][1]),
        group=fold["instrument"],
        best_epoch=fold["best_epoch"] if trained else None,
        train_loss=fold["train_loss"],
        stop_loss=fold["stop_loss"],
        zero_loss=baselines.get("zero_loss"),
        majority_loss=baselines.get("majority_loss"),
        linear_loss=baselines.get("linear_loss"),
        boosting_loss=baselines.get("boosting_loss"),
    )
