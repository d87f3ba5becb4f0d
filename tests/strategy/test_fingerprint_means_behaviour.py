"""Equal fingerprints mean equal behaviour: no rewriting changes one, and no field that acts can change without it.

What a field does to results is shown in `tests/engines/test_every_field_acts.py`.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import SpecError
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.plan import NETWORK_KINDS, MemberPlan, Plan
from nullalpha.strategy.rules import parse_rule, statements
from nullalpha.strategy.spec import MemberSpec, StrategySpec, TrainingSpec
from nullalpha.strategy.validate import parse_strategy
from tests.support.fields import Document, FieldName, Site, fields_of_the_language, sites_of
from tests.support.perturbing import perturbed
from tests.support.rewriting import REWRITINGS, rewritten
from tests.support.strategies import documents

generated = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))

RULES = {"kind": "rules", "rules": ["if fast is low and not slow is up then long 0.5 weight 0.5", "if gap is wide then short 1.0"]}
ANFIS = {**RULES, "kind": "anfis", "trainable": ["sets"]}
MLP = {"kind": "fuzzy_mlp", "inputs": ["fast.low", "slow.up"], "hidden": [8], "dropout": 0.1, "trainable": ["network"]}
GRU = {**MLP, "kind": "fuzzy_gru", "lookback": 5}
ENSEMBLE = {
    "kind": "ensemble",
    "members": {"one": GRU, "two": ANFIS},
    "router": {"model": MLP, "labels": {"kind": "regime", "of": "volatility"}, "above": "one", "below": "two", "threshold": 0.1},
}
FULL: Document = {
    "nullalpha": 1,
    "name": "whole",
    "hypothesis": "It says everything that can be said.",
    "prediction": {"excess_sharpe": 0.5, "p_pass": 0.1, "kill_below": 0.0},
    "instruments": ["SPX", "IXIC"],
    "timeframe": "1d",
    "features": {
        "fast": {"indicator": "macd", "fast": 10, "slow": 30, "output": "signal", "transform": [{"zscore": 100}, {"clip": 2.5}]},
        "slow": {"indicator": "roc", "period": 13, "timeframe": "1w", "of": "VIX"},
        "change": {"indicator": "roc", "input": "close", "period": 3},
        "gap": {"indicator": "corr", "period": 20, "input": ["change", "volume"]},
    },
    "sets": {
        "fast": {"low": {"gaussian": [-1, 0.5]}, "high": {"bell": [1, 0.5, 2]}},
        "slow": {"up": {"sigmoid": [0, 40]}},
        "gap": {"wide": {"triangle": [0, 0.5, 1]}, "mid": {"trapezoid": [-1, -0.2, 0.2, 1]}},
    },
    "model": ANFIS,
    "labels": {"kind": "triple_barrier", "horizon": 7, "volatility_bars": 50, "barrier": 1.5, "cusum": 1.0, "weights": "uniqueness"},
    "training": {"epochs": 20, "batch_size": 64, "learning_rate": 0.02, "patience": 5, "loss": "mse"},
    "decision": {
        "long_above": 0.2,
        "short_below": -0.3,
        "long_exit_below": 0.1,
        "short_exit_above": 0.0,
        "separation": 3,
        "sizing": {"kind": "volatility_target", "annual": 0.2, "max_leverage": 1.5, "volatility_bars": 30},
        "exits": {"stop_loss": {"atr": 3.0}, "trailing_stop": {"fraction": 0.1}, "take_profit": {"atr": 5.0}, "max_bars": 20},
    },
}
READ = ["if fast is low and slow is up or gap is wide and gap is mid or fast is high then long 1.0"]
WHOLE: list[Document] = [
    json.loads(json.dumps(document))
    for document in (
        FULL,
        FULL | {"model": RULES | {"rules": READ}},
        FULL | {"model": MLP, "labels": {"kind": "regime", "of": "trend"}},
        FULL | {"model": GRU},
        FULL | {"model": ENSEMBLE},
        FULL | {"model": {"kind": "ensemble", "members": {"one": RULES, "two": ANFIS, "three": GRU}}},
        FULL | {"model": {"kind": "ensemble", "members": {"one": RULES, "two": GRU}, "router": ENSEMBLE["router"] | {"model": RULES}}},
        FULL | {"decision": {"long_above": 0.1, "sizing": {"kind": "fixed", "size": 0.5}}},
        FULL | {"labels": {}, "decision": {"short_below": 0.1, "sizing": {"kind": "kelly", "fraction": 0.5, "max_leverage": 2.0}}},
        FULL | {"decision": {"long_above": 0.1, "entry": {"order": "stop_limit", "distance": {"atr": 0.5}, "limit": {"atr": 0.2}}}},
        FULL | {"decision": {"long_above": 0.1, "entry": {"order": "limit", "distance": {"fraction": 0.01}, "valid_bars": 3}}},
        FULL | {"model": MLP, "training": {"loss": "cross_entropy", "class_band": 0.25, "class_weights": "balanced"}},
        FULL | {"training": {"loss": "focal", "focal_gamma": 1.5, "schedule": "cosine", "warmup_epochs": 3, "clip_norm": 2.0}},
        FULL | {"model": GRU, "training": {"loss": "utility", "risk_aversion": 0.2}},
    )
]
"""Documents in which, between them, every field acts."""

NEVER_ACT: dict[FieldName, str] = {
    ("StrategySpec", "nullalpha"): "there is one version of the language",
    ("StrategySpec", "name"): "a name",
    ("StrategySpec", "hypothesis"): "a reason, not a rule",
    ("StrategySpec", "prediction"): "judged afterwards",
    ("PredictionSpec", "excess_sharpe"): "judged afterwards",
    ("PredictionSpec", "p_pass"): "judged afterwards",
    ("PredictionSpec", "kill_below"): "judged afterwards",
}
CONTAINERS: set[FieldName] = {
    *(("StrategySpec", part) for part in ("features", "sets", "model", "labels", "training", "decision")),
    *(("DecisionSpec", part) for part in ("sizing", "exits")),
    *(("RouterSpec", part) for part in ("model", "labels")),
}
"""Always there; their own fields act."""


def compiled(document: Document) -> Plan:
    spec, _ = parse_strategy(document, VOCABULARY)
    return compile_strategy(spec, VOCABULARY)


def what_engines_read(value: Any) -> Any:
    """Return a plan without the words that are for display."""
    if isinstance(value, tuple):
        return [what_engines_read(item) for item in value]
    if not is_dataclass(value):
        return value
    shown = {"fingerprint"} if isinstance(value, Plan) else set()
    words = {"name", "text", "hypothesis", "unit", *shown}
    return {field.name: what_engines_read(getattr(value, field.name)) for field in fields(value) if field.name not in words}


@pytest.mark.parametrize("name", REWRITINGS)
@settings(generated, max_examples=40)
@given(document=documents(VOCABULARY), seed=st.integers(0, 2**32))
def test_other_words_for_the_same_keep_the_fingerprint(name: str, document: Document, seed: int) -> None:
    same = REWRITINGS[name](document, VOCABULARY, Random(seed))
    assert compiled(same).fingerprint == compiled(document).fingerprint


@settings(generated, max_examples=100)
@given(document=documents(VOCABULARY), seed=st.integers(0, 2**32))
def test_all_other_words_together_give_engines_the_same_plan(document: Document, seed: int) -> None:
    plan, same = compiled(document), compiled(rewritten(document, VOCABULARY, Random(seed)))
    assert canonical_document(same) == canonical_document(plan)
    assert same.fingerprint == plan.fingerprint
    assert what_engines_read(same) == what_engines_read(plan)


@pytest.mark.parametrize("name", REWRITINGS)
def test_each_rewriting_really_rewrites(name: str) -> None:
    plain = copy.deepcopy(WHOLE)
    for document in plain:
        document["decision"].pop("long_exit_below", None)
    assert any(json.dumps(REWRITINGS[name](document, VOCABULARY, Random(1))) != json.dumps(document) for document in plain)


def test_every_field_of_the_language_is_walked_and_has_other_values() -> None:
    walked: Counter[FieldName] = Counter()
    for document in WHOLE:
        for site in sites_of(document):
            walked[site.name] += sum(1 for _ in perturbed(document, site, VOCABULARY, Random(0)))
    assert set(walked) == fields_of_the_language()
    untried = {name for name, n in walked.items() if not n}
    assert untried == {*CONTAINERS, ("StrategySpec", "nullalpha")}


def test_every_field_that_can_act_changes_the_fingerprint_somewhere_and_no_other_ever_does() -> None:
    acting: set[FieldName] = set()
    for document in WHOLE:
        before = compiled(document).fingerprint
        for site in sites_of(document):
            for changed in valid_perturbations(document, site, Random(2)):
                differs, reason = compiled(changed).fingerprint != before, why_it_cannot_act(document, changed, site)
                assert differs == (reason is None), (site, reason, changed)
                acting |= {site.name} if differs else set()
    assert fields_of_the_language() - acting == {*NEVER_ACT, *CONTAINERS}


@settings(generated, max_examples=60)
@given(document=documents(VOCABULARY), seed=st.integers(0, 2**32))
def test_the_fingerprint_changes_with_every_field_unless_there_is_a_reason_why_it_must_not(document: Document, seed: int) -> None:
    before = compiled(document).fingerprint
    rng = Random(seed)
    for site in sites_of(document):
        changed = next(valid_perturbations(document, site, rng), None)
        if changed is not None:
            reason = why_it_cannot_act(document, changed, site)
            assert (compiled(changed).fingerprint == before) == (reason is not None), (site, reason, changed)


def valid_perturbations(document: Document, site: Site, rng: Random) -> Iterator[Document]:
    """Yield the perturbations of a field that the language allows beside what else the document says."""
    for changed in perturbed(document, site, VOCABULARY, rng):
        try:
            parse_strategy(changed, VOCABULARY)
        except SpecError:
            continue
        yield changed


def why_it_cannot_act(document: Document, changed: Document, site: Site) -> str | None:
    """Return why a change of a field must leave the fingerprint as it is; None if it must not.

    This is the list of reasons: written from what the language says, not from how it is compiled.
    """
    spec = StrategySpec.model_validate(document)
    if site.name in NEVER_ACT:
        return NEVER_ACT[site.name]
    head = site.path[0]
    if head == "features" and site.path[1] not in _features_in_use(spec):
        return "no rule or network reads the feature"
    if head == "sets" and site.path[1:3] not in _sets_in_use(spec):
        return "no rule or network reads the set"
    if site.owner == "LabelSpec":
        return _why_a_label_cannot_act(spec, site)
    if site.owner == "TrainingSpec" and not any(map(_learns, _models(spec))):
        return "nothing is trained"
    if site.field == "warmup_epochs" and max(_training_of(changed).warmup_epochs, 1) == max(spec.training.warmup_epochs, 1):
        return "a rise over one epoch is none"
    if site.field == "schedule" and spec.training.epochs <= max(spec.training.warmup_epochs, 1):
        return "the learning rate has not risen before training ends"
    if site.owner == "SizingSpec" and site.field not in _READ_BY_SIZING[spec.decision.sizing.kind]:
        return "a number of another sizing"
    if site.field == "trainable" and _model_at(spec, site).kind == "rules":
        return "rules as written learn nothing"
    if site.field == "inputs" and _same_memberships(document, changed):
        return "other names of equal sets"
    if site.field in ("above", "below") and _members_alike(document):
        return "both members are the same"
    return None


_READ_BY_SIZING = {
    "fixed": ("kind", "size"),
    "volatility_target": ("kind", "annual", "max_leverage", "volatility_bars"),
    "kelly": ("kind", "fraction", "max_leverage"),
}


def _why_a_label_cannot_act(spec: StrategySpec, site: Site) -> str | None:
    of_router = site.path[0] == "model"
    router = spec.model.router
    labels = router.labels if of_router and router else spec.labels
    learners = [router.model] if of_router and router else _answering(spec)
    if not any(map(_learns, learners)):
        return "nothing is trained by it"
    if site.field == "barrier" and labels.kind not in ("triple_barrier", "zigzag"):
        return "this label has no barrier"
    if site.field == "of" and labels.kind != "regime":
        return "this label is of no regime"
    return None


def _training_of(document: Document) -> TrainingSpec:
    return StrategySpec.model_validate(document).training


def _answering(spec: StrategySpec) -> list[MemberSpec]:
    return list(spec.model.members.values()) if spec.model.members else [spec.model]


def _models(spec: StrategySpec) -> list[MemberSpec]:
    return [*_answering(spec), *([spec.model.router.model] if spec.model.router else [])]


def _model_at(spec: StrategySpec, site: Site) -> MemberSpec:
    place: Any = spec
    for step in site.path[:-1]:
        place = place[step] if isinstance(place, dict) else getattr(place, str(step))
    assert isinstance(place, MemberSpec)
    return place


def _learns(model: MemberSpec) -> bool:
    return model.kind != "rules" and model.trainable != ()


def _sets_in_use(spec: StrategySpec) -> set[tuple[str | int, ...]]:
    used: set[tuple[str | int, ...]] = set()
    for model in _models(spec):
        if model.kind in NETWORK_KINDS:
            everything = [f"{feature}.{name}" for feature, given in spec.sets.items() for name in given]
            used |= {tuple(text.split(".")) for text in model.inputs or everything}
        used |= {(s.feature, s.set_name) for text in model.rules or () for s in statements(parse_rule(text).condition)}
    return used


def _features_in_use(spec: StrategySpec) -> set[str | int]:
    used: set[str | int] = {feature for feature, _ in _sets_in_use(spec)}
    waiting = list(used)
    while waiting:
        sources = spec.features[str(waiting.pop())].input or ()
        waiting += [source for source in sources if source in spec.features and source not in used]
        used |= {source for source in sources if source in spec.features}
    return used


def _same_memberships(document: Document, changed: Document) -> bool:
    def read(given: Document) -> list[Any]:
        plan = compiled(given)
        parts = [member.plan for member in plan.members] + ([plan.router.regime.plan] if plan.router else []) or [plan]
        return [(part.features, [(s.feature, s.shape, s.params) for s in part.sets], part.network) for part in parts]

    return read(document) == read(changed)


def _members_alike(document: Document) -> bool:
    one, other = compiled(document).members
    return what_engines_read(_nameless(one)) == what_engines_read(_nameless(other))


def _nameless(member: MemberPlan) -> tuple[Any, ...]:
    return member.columns, member.plan
