"""KTRDR strategy files (grammar version 3) as documents of the language.

Source: github.com/kpiteira/ktrdr, `docs/designs/strategy-grammar-v3/`, `ktrdr/config/`. Versions 1 and 2, where indicators are a list, are
refused. A file is read by the rules for our own documents: bounded, no anchors, no tags, no duplicate keys.
"""

from __future__ import annotations

import re
from dataclasses import replace

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.document import MAX_ISSUES, read_document
from nullalpha.strategy.importing.imported import Imported, Report
from nullalpha.strategy.importing.ktrdr_columns import Indicators, contexts
from nullalpha.strategy.importing.ktrdr_data import TrainingData, training_data
from nullalpha.strategy.importing.ktrdr_decision import read_decision
from nullalpha.strategy.importing.ktrdr_features import Features, read_inputs
from nullalpha.strategy.importing.ktrdr_labels import read_labels
from nullalpha.strategy.importing.ktrdr_model import read_model, read_training
from nullalpha.strategy.importing.ktrdr_sets import fuzzy_sets
from nullalpha.strategy.importing.sections import Section
from nullalpha.strategy.spec import LANGUAGE_VERSION, slug
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

MAX_HYPOTHESIS = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}")
_ELSEWHERE = {
    "deployment": "a strategy trades its instruments on its timeframe; where else it is used is decided elsewhere",
    "scope": "a strategy trades its instruments",
    "orchestrator": "modes and cooldowns of a running system are no part of a strategy",
    "risk_management": "positions are of fixed size 1; decision.sizing and decision.exits set size and stops",
    "backtesting": "dates, capital and costs belong to the campaign",
    "data": "data belong to the home",
}


def import_ktrdr(text: str | bytes, vocabulary: Vocabulary) -> Imported:
    """Return a KTRDR strategy as a document, with everything that changed and everything that cannot be carried.

    Args:
        text: the file's content, YAML or JSON.
    """
    try:
        read = read_document(text)
    except SpecError as error:
        fix = "start with `name:`, then training_data, indicators, fuzzy_sets, nn_inputs, model, decisions, training"
        return Imported(None, (), tuple(replace(i, suggestion=fix) if i.code == "not_a_mapping" else i for i in error.issues))
    report = Report(errors=list(read.issues))
    root = Section("", read.values, report)
    if not _is_version_3(root):
        return Imported(None, tuple(report.notes), tuple(report.errors))
    document = _document(root, vocabulary)
    if not report.errors:
        try:
            parse_strategy(document, vocabulary)
        except SpecError as error:
            report.errors.extend(error.issues)
    return Imported(None if report.errors else document, tuple(report.notes), tuple(_bounded(report.errors)))


def _bounded(errors: list[Issue]) -> list[Issue]:
    """Return at most MAX_ISSUES errors, and how many there are beyond."""
    more = len(errors) - MAX_ISSUES
    return errors if more <= 0 else [*errors[:MAX_ISSUES], Issue("document", "too_many_errors", f"and {more} further errors")]


def _is_version_3(root: Section) -> bool:
    """Return whether the document has the structure of version 3; report if not."""
    if root.has("indicators") and not isinstance(root.take("indicators"), list) and root.has("nn_inputs"):
        version = root.take("version")
        if version is not None and not str(version).startswith("3"):
            root.report.note("version", f"{str(version)[:20]} is ignored: the document has the structure of version 3")
        return True
    message = "a strategy of version 3 has a mapping of indicators and a list of nn_inputs"
    place = "indicators" if isinstance(root.take("indicators"), list) or not root.has("indicators") else "nn_inputs"
    root.report.refuse(place, "not_version_3", message, None, "bring it to version 3 with `ktrdr migrate`")
    return False


def _document(root: Section, vocabulary: Vocabulary) -> dict[str, object]:
    """Return the translation, complete or not; what is wrong with it is in the report."""
    for key in ("model", "training"):
        root.require(key, f"{key}: {{...}}")
    model, training = root.section("model"), root.section("training")
    data = training_data(root)
    features = _features(root, data, vocabulary)
    document: dict[str, object] = {
        "nullalpha": LANGUAGE_VERSION,
        "name": _name(root),
        "hypothesis": _hypothesis(root),
        "instruments": list(data.instruments) if data else [],
        "timeframe": data.timeframe if data else "",
        "features": features.features,
        "sets": features.sets,
        "model": read_model(model),
        "labels": read_labels(training),
        "training": read_training(model.section("training"), training),
        "decision": read_decision(root, data),
    }
    for key, why in _ELSEWHERE.items():
        root.leave((key,), why)
    model.finish("a model")
    training.finish("training")
    root.finish("a strategy")
    return document


def _features(root: Section, data: TrainingData | None, vocabulary: Vocabulary) -> Features:
    """Return features and sets; where the data are broken their definitions are still checked."""
    sets, others = fuzzy_sets(root), contexts(root)
    indicators = Indicators(root, others, vocabulary)
    if data is None:
        root.take("nn_inputs")
        return Features({}, {})
    return read_inputs(root, indicators, sets, data)


def _name(root: Section) -> str:
    root.require("name", "name: my-strategy")
    text = root.text("name") or ""
    name = text if _NAME.fullmatch(text) else slug(text)
    if name != text and root.has("name"):
        root.report.note("name", f"becomes {name}: a name is letters, digits, spaces and . _ -")
    return name


def _hypothesis(root: Section) -> str:
    """Return the hypothesis, or else the description, or else a sentence that says that there is none."""
    hypothesis, description = root.text("hypothesis"), root.text("description")
    if hypothesis and description:
        root.report.note("description", "left out: the hypothesis says why it should work")
    text = hypothesis or description
    if not text:
        root.report.note("hypothesis", "neither hypothesis nor description is given; say why it should work")
        return "Imported from KTRDR; the file states no hypothesis."
    place = "hypothesis" if hypothesis else "description"
    if not hypothesis:
        root.report.note(place, "becomes the hypothesis")
    if len(text) > MAX_HYPOTHESIS:
        root.report.note(place, f"cut at {MAX_HYPOTHESIS} characters")
    return text[:MAX_HYPOTHESIS].rstrip()
