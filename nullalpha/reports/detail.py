"""What a report shows of one experiment and of a campaign beyond the contract's figures: series, rules, folds, zones.

Frozen rows, filled by whoever has the artifacts; no report reads a file or a database.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray, TimeArray


@dataclass(frozen=True)
class RuleLine:
    """One rule after training, in words.

    Attributes:
        text: the rule's condition, e.g. `trend is up and rsi is low`.
        firing_share: its mean part in the decision over the rows that its model was trained on, in [0, 1].
        contribution: its mean part of the absolute terms that make up the output over the same rows, in [0, 1].
        lean: mean of its signed term in the model's output (part in the decision times answer) over the same rows; above 0 it speaks for
            long.
        consequent: what it concludes, e.g. `long 0.42` or `0.10 + 0.31 rsi`.
        sets: the learned sets behind its words, e.g. `rsi low: gaussian centre 28.1, width 6.3`.
        group: which model it belongs to, e.g. `SPX, fold 5`.
        needed: whether it is in the smallest rule base that says nearly the same.
    """

    text: str
    firing_share: float | None = None
    contribution: float | None = None
    lean: float | None = None
    consequent: str = ""
    sets: tuple[str, ...] = ()
    group: str = ""
    needed: bool = True


@dataclass(frozen=True)
class FoldLine:
    """One refit: spans as ISO dates, both ends included; losses in the units of the training loss, None where there was no training.

    `stop_loss` and the losses below it are on the stopping rows, by which early stopping chose the model: of the model, of always
    predicting 0, of always giving the training rows' usual answer, of a linear or logistic regression, of gradient boosting.
    """

    fold: int
    train: tuple[str, str]
    test: tuple[str, str]
    group: str = ""
    best_epoch: int | None = None
    train_loss: float | None = None
    stop_loss: float | None = None
    zero_loss: float | None = None
    majority_loss: float | None = None
    linear_loss: float | None = None
    boosting_loss: float | None = None


@dataclass(frozen=True)
class ExperimentDetail:
    """What a report draws of one experiment.

    Attributes:
        experiment_id: as in the contract.
        dates: (n,) sessions of the stitched out-of-sample series, strictly increasing.
        equity: (n,) account value over the capital.
        buy_and_hold: (n,) holding the same instruments, over the same capital.
        drawdown: (n,) fraction in (-1, 0].
        fold_starts: first test date of each fold, ISO 8601, increasing.
        words: the strategy in sentences.
        rules: after training, strongest first.
        pruning: how few of them say nearly the same and what that costs, and sets that could be one: sentences.
        baselines: in how many refits the model did better than each baseline, in a sentence.
        folds: one line a refit.
        notes: what to read the figures with (annotations of the assessment).
        yaml: the strategy document.
    Raises:
        DataError: if the series differ in length or dates do not increase.
    """

    experiment_id: str
    dates: TimeArray
    equity: FloatArray
    buy_and_hold: FloatArray
    drawdown: FloatArray
    fold_starts: tuple[str, ...] = ()
    words: str = ""
    rules: tuple[RuleLine, ...] = ()
    pruning: tuple[str, ...] = ()
    baselines: str = ""
    folds: tuple[FoldLine, ...] = ()
    notes: tuple[str, ...] = ()
    yaml: str = ""

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("dates", "equity", "buy_and_hold", "drawdown")}
        if len(set(lengths.values())) != 1:
            raise DataError(f"the series of {self.experiment_id} differ in length: {lengths}", path=self.experiment_id)
        if len(self.dates) > 1 and not (np.diff(self.dates) > np.timedelta64(0)).all():
            raise DataError(f"the dates of {self.experiment_id} do not increase", path=f"{self.experiment_id}.dates")
        if any(later <= earlier for earlier, later in pairwise(self.fold_starts)):
            raise DataError(f"the folds of {self.experiment_id} do not increase", path=f"{self.experiment_id}.fold_starts")


@dataclass(frozen=True)
class ZoneLine:
    """One calendar zone, ISO dates; `end` is excluded."""

    name: str
    start: str
    end: str


@dataclass(frozen=True)
class CampaignFacts:
    """What the contract does not carry of a campaign.

    Attributes:
        brief: what was asked for.
        zones: of the home, in order of time.
        protocol: (name, value) pairs as people read them.
        finished: when it ended, as text.
    """

    brief: str = ""
    zones: tuple[ZoneLine, ...] = ()
    protocol: tuple[tuple[str, str], ...] = ()
    finished: str = ""
