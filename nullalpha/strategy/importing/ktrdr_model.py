"""KTRDR's `model` and `training`: the network and its fit. A classifier of buy, hold and sell becomes a regression on the label."""

from __future__ import annotations

from collections.abc import Mapping

from nullalpha.strategy.importing.sections import Section
from nullalpha.strategy.plan import NetworkKind

_KINDS: Mapping[str, NetworkKind] = {"mlp": "fuzzy_mlp", "lstm": "fuzzy_lstm", "gru": "fuzzy_gru"}
MAX_LAYERS, MIN_UNITS, MAX_UNITS = 3, 2, 256
MAX_DROPOUT = 0.5
LOOKBACK = (2, 120)
DEFAULT_HIDDEN, DEFAULT_STATE, DEFAULT_DROPOUT = (20, 10), 64, 0.2
DEFAULT_EPOCHS, DEFAULT_BATCH, DEFAULT_RATE, DEFAULT_PATIENCE = 100, 32, 0.001, 10
_RANGES = {"epochs": (1, 500), "batch_size": (16, 65536), "learning_rate": (1e-5, 1.0)}
_FITTING = ("optimizer", "weight_decay", "gradient_clip", "lr_scheduler", "shuffle", "class_weights", "label_smoothing", "huber_delta")
_FIXED = "the optimiser and its schedule are the lab's"
_CAMPAIGN = "splits, folds and metrics belong to the campaign"


def read_model(section: Section) -> dict[str, object]:
    """Return the `model` of a document; errors are reported."""
    section.require("type", "type: mlp")
    text = section.text("type")
    kind = _KINDS.get((text or "").lower())
    if text is not None and kind is None:
        section.report.refuse(section.place("type"), "unsupported", "no model that can be carried", text, f"one of {', '.join(_KINDS)}")
    architecture, features = section.section("architecture"), section.section("features")
    if kind is None:
        return {}
    model: dict[str, object] = {"kind": kind, **(_perceptron(architecture) if kind == "fuzzy_mlp" else _recurrent(architecture))}
    architecture.leave(("activation", "output_activation"), "hidden layers are tanh here, and the answer is one number in -1..1")
    architecture.leave(("num_classes",), "the answer is one number in -1..1")
    architecture.finish("an architecture")
    _features(features)
    return model


def read_training(below: Section, above: Section) -> dict[str, object]:
    """Return the `training` of a document from `model.training` and `training`; either may say anything of it."""
    sections = [below, above]
    method = above.text("method")
    if method not in (None, "supervised"):
        above.report.refuse(above.place("method"), "unsupported", "only supervised training can be carried", method, "supervised")
    numbers = {
        "epochs": _agreed(sections, "epochs", DEFAULT_EPOCHS, whole=True),
        "batch_size": _agreed(sections, "batch_size", DEFAULT_BATCH, whole=True),
        "learning_rate": _agreed(sections, "learning_rate", DEFAULT_RATE, whole=False),
    }
    training: dict[str, object] = {**numbers, "patience": _patience(sections, int(numbers["epochs"])), **_loss(sections)}
    for section in sections:
        section.leave(_FITTING, _FIXED)
        section.leave(
            ("data_split", "validation_split", "date_range", "start_date", "end_date", "fitness_metrics", "split_strategy"), _CAMPAIGN
        )
        section.leave(("analytics", "random_seed", "seed"), "the lab keeps its own record, and a campaign its seed")
    below.finish("model.training")
    return training


def _perceptron(section: Section) -> dict[str, object]:
    value = section.take("hidden_layers")
    layers: list[object] = list(DEFAULT_HIDDEN) if value is None else value if isinstance(value, list) else []
    path, report = section.place("hidden_layers"), section.report
    if value is None:
        report.note(section.path, f"no hidden_layers are given; KTRDR's default, {list(DEFAULT_HIDDEN)}, is written out")
    whole = [layer for layer in layers if isinstance(layer, int) and not isinstance(layer, bool)]
    if not layers or len(whole) < len(layers):
        report.refuse(path, "wrong_type", "must be a list of whole numbers", value, "[32, 16]")
    elif len(layers) > MAX_LAYERS:
        report.refuse(path, "too_many", f"a network has at most {MAX_LAYERS} hidden layers here", value, str(whole[:MAX_LAYERS]))
    elif not all(MIN_UNITS <= layer <= MAX_UNITS for layer in whole):
        fix = str([min(max(layer, MIN_UNITS), MAX_UNITS) for layer in whole])
        report.refuse(path, "out_of_range", f"a layer has {MIN_UNITS} to {MAX_UNITS} units here", value, fix)
    return {"hidden": whole, "dropout": _dropout(section)}


def _recurrent(section: Section) -> dict[str, object]:
    section.require("sequence_length", "sequence_length: 20")
    length, size, layers = section.whole("sequence_length"), section.whole("hidden_size"), section.whole("num_layers")
    report = section.report
    state = DEFAULT_STATE if size is None else size
    if not MIN_UNITS <= state <= MAX_UNITS:
        fix = str(min(max(state, MIN_UNITS), MAX_UNITS))
        report.refuse(section.place("hidden_size"), "out_of_range", f"a state has {MIN_UNITS} to {MAX_UNITS} units here", state, fix)
    if length is not None and not LOOKBACK[0] <= length <= LOOKBACK[1]:
        fix = str(min(max(length, LOOKBACK[0]), LOOKBACK[1]))
        report.refuse(
            section.place("sequence_length"), "out_of_range", f"a network looks back {LOOKBACK[0]} to {LOOKBACK[1]} bars", length, fix
        )
    if size is None:
        report.note(section.path, f"no hidden_size is given; KTRDR's default, {DEFAULT_STATE}, is written out")
    if layers != 1:
        count = "two, its default," if layers is None else str(layers)
        report.note(section.place("num_layers"), f"one recurrent layer here instead of {count} on top of one another")
    return {"hidden": [state], "lookback": length, "dropout": _dropout(section)}


def _dropout(section: Section) -> float:
    dropout = section.number("dropout")
    if dropout is None:
        section.report.note(section.path, f"no dropout is given; KTRDR's default, {DEFAULT_DROPOUT}, is written out")
        return DEFAULT_DROPOUT
    if not 0 <= dropout <= MAX_DROPOUT:
        message = f"dropout is 0 to {MAX_DROPOUT} here"
        section.report.refuse(section.place("dropout"), "out_of_range", message, dropout, f"{min(max(dropout, 0), MAX_DROPOUT):g}")
    return dropout


def _features(section: Section) -> None:
    """Refuse inputs besides memberships; how those are scaled means nothing for numbers from 0 to 1."""
    for key in ("include_price_context", "include_volume_context", "include_raw_indicators"):
        if section.flag(key):
            section.report.refuse(
                section.place(key), "unsupported", "a network reads memberships of fuzzy sets and nothing else", True, "false"
            )
    section.leave(("lookback_periods",), "inputs are those of nn_inputs, without copies of earlier bars; lookback is for lstm and gru")
    section.leave(("scale_features", "scaling_method"), "memberships lie between 0 and 1 as they are")
    section.leave(("timeframe_features", "feature_combination"), "features of all timeframes stand side by side")
    section.finish("model.features")


def _agreed(sections: list[Section], key: str, default: float, *, whole: bool) -> float:
    """Return a number that `model.training` or `training` gives, in its range; two that differ are an error."""
    given = {
        section.place(key): value for section in sections if (value := section.whole(key) if whole else section.number(key)) is not None
    }
    report = sections[-1].report
    if len(set(given.values())) > 1:
        report.refuse(sections[-1].place(key), "conflict", f"{' and '.join(given)} differ", list(given.values()), "give one of them")
    if not given:
        report.note(sections[-1].path, f"no {key} is given; KTRDR's default, {default:g}, is written out")
    value = next(iter(given.values()), default)
    low, high = _RANGES[key]
    if not low <= value <= high:
        place = next(iter(given), sections[-1].place(key))
        report.refuse(place, "out_of_range", f"{key} is {low:g} to {high:g} here", value, f"{min(max(value, low), high):g}")
    return value


def _patience(sections: list[Section], epochs: int) -> int:
    """Return how many epochs without progress end a fit; all of them where KTRDR would not stop early."""
    found: list[int] = []
    for section in sections:
        if not section.has("early_stopping"):
            continue
        early = section.section("early_stopping")
        enabled, patience = early.flag("enabled"), early.whole("patience")
        early.leave(
            ("min_delta", "monitor", "mode", "restore_best_weights"),
            "any better validation loss is progress, and the best weights are kept",
        )
        early.finish("early_stopping")
        if enabled is not False:
            found.append(DEFAULT_PATIENCE if patience is None else patience)
    report = sections[-1].report
    if len(set(found)) > 1:
        report.refuse(
            sections[-1].place("early_stopping"), "conflict", "model.training and training say different things", found, "give one of them"
        )
    if not found:
        report.note(sections[-1].path, f"no early stopping is given: patience is all {epochs} epochs")
        return min(max(epochs, 1), 500)
    if not 1 <= found[0] <= 500:
        report.refuse(
            sections[-1].place("early_stopping.patience"),
            "out_of_range",
            "patience is 1 to 500 here",
            found[0],
            str(min(max(found[0], 1), 500)),
        )
    return found[0]


_LOSSES: Mapping[str, str] = {
    "huber": "huber",
    "mse": "mse",
    "focal": "focal",
    **dict.fromkeys(("cross_entropy", "bce", "nll"), "cross_entropy"),
}
_CLASSES = "classes are down and up by the sign of the label, under one output whose tanh is the signal"


def _loss(sections: list[Section]) -> dict[str, object]:
    """Return the loss with what belongs to it."""
    ours: dict[str, object] = {"loss": "huber"}
    for section in sections:
        gamma = section.number("focal_gamma")
        for key in ("loss", "loss_function"):
            text = section.text(key)
            if text is None:
                continue
            loss = _LOSSES.get(text.lower())
            if loss is None:
                section.report.refuse(
                    section.place(key), "unsupported", "no loss that can be carried", text, f"one of {', '.join(_LOSSES)}"
                )
                continue
            if loss in ("cross_entropy", "focal"):
                section.report.note(section.place(key), f"{text} becomes {loss}: {_CLASSES}")
            ours = {"loss": loss} | ({"focal_gamma": gamma} if loss == "focal" and gamma is not None else {})
    return ours
