from __future__ import annotations

import json
import math

from nullalpha.engines.learned_json import baselines_json, pruning_json
from nullalpha.engines.training.baselines import BaselineReport
from nullalpha.engines.training.pruning import AlikeSets, Fidelity, PruningReport
from nullalpha.strategy.learned import describe_baselines, describe_prunings

WHOLE, TWO, ONE = Fidelity(3, 1.0, 1.0, 1.0, 0.5), Fidelity(2, 0.97, 0.99, 0.985, 0.52), Fidelity(1, math.nan, math.nan, 0.4, 0.9)
REPORT = PruningReport((1, 0), (WHOLE, TWO, ONE), (0, 2), (AlikeSets("rsi", "low", "lowish", 0.95),), "calm")


def test_what_could_go_is_recorded_step_by_step_and_told_from_the_record() -> None:
    body = json.loads(json.dumps(pruning_json(REPORT), allow_nan=False))
    assert (body["member"], body["kept"]) == ("calm", [0, 2])
    assert [(step["gone"], step["n_rules"], step["r2"]) for step in body["steps"]] == [(None, 3, 1.0), (1, 2, 0.97), (0, 1, None)]
    assert body["fidelity"] == {"n_rules": 2, "r2": 0.97, "correlation": 0.99, "side_agreement": 0.985, "stop_loss": 0.52}
    assert body["least"] == {"r2": 0.95, "side_agreement": 0.98}
    assert describe_prunings([body]) == [
        "(calm) 2 of 3 rules give 0.97 of what it says (R2); side agreement 0.98; loss 0.5200, 0.5000 with all",
        "(calm) rsi is low and is lowish could be one set (overlap 0.95)",
    ]


def test_baselines_are_recorded_with_what_the_model_does_not_beat() -> None:
    report = BaselineReport(0.4, 0.5, 0.45, 0.41, 0.39, math.nan, math.nan, math.nan, math.nan, 100)
    body = json.loads(json.dumps(baselines_json(report), allow_nan=False))
    assert body["model_accuracy"] is None
    assert body["boosting_loss"] == 0.39
    assert body["shortfalls"] == ["its loss 0.4000 is no lower than 0.3900, that of gradient boosting"]
    assert "gradient boosting in 0 of 1 refits" in describe_baselines([{"baselines": body}])
