"""What a fit tells while it runs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nullalpha.data.bars import FloatArray

Weights = dict[str, FloatArray]


@dataclass(frozen=True)
class EpochProgress:
    """Where a fit stands after an epoch: losses are means over the `n_active` members that learned in it.

    Of several populations, fitted one after the other, epochs count over all of them.
    """

    epoch: int
    epochs: int
    n_active: int
    train_loss: float
    stop_loss: float


@dataclass(frozen=True)
class FitResult:
    """What one task became.

    Attributes:
        weights: the best by stopping loss; empty for kind `rules`. `feature_mean`, `feature_scale` (n_features,); `sets` (n_sets, 4) in
            the features' units, NaN-padded; of anfis `coefficients` (n_rules, n_features) on standardised features, `bias` (n_rules,); of a
            network the arrays of `network_layout`. Of an ensemble those of its parts, as `member/0/bias` and `router/bias`.
        best_epoch: the epoch they are from; 0 is before training.
        epochs_run: epochs until it stopped.
        train_loss, stop_loss: of these weights.
        diverged: a loss became NaN or infinite; the weights are the best from before that.
        history: (epochs_run + 1, 2) mean loss of the epoch's batches, and stopping loss after it; row 0 is before training.
        parts: of an ensemble, the results of its parts by prefix (`member/0`, `router`). The ensemble's own losses are then those of what
            it answers, its epochs those of the part that ran longest, its history empty; it diverged if a part did.
    """

    weights: Weights
    best_epoch: int
    epochs_run: int
    train_loss: float
    stop_loss: float
    diverged: bool
    history: FloatArray
    parts: Mapping[str, FitResult] = field(default_factory=dict)
