"""The learning rate over the epochs of a fit."""

from __future__ import annotations

import math

from nullalpha.strategy.plan import TrainingPlan

LAST_SHARE = 0.01
"""Of the highest rate, where a cosine ends."""


def learning_rate(training: TrainingPlan, epoch: int) -> float:
    """Return the rate of an epoch, counted from 1.

    It rises in even steps to its highest in the last epoch of the warm-up (without one it begins there); `cosine` falls from then by half
    a cosine to a hundredth of it in the last epoch.

    Source: Goyal et al. (2017), arXiv 1706.02677, for the warm-up; Loshchilov & Hutter (2017), SGDR, ICLR, for the cosine.
    """
    highest, warmup = training.learning_rate, training.warmup_epochs
    if epoch < warmup:
        return highest * epoch / warmup
    start = max(warmup, 1)
    if training.schedule == "constant" or training.epochs <= start:
        return highest
    done = (epoch - start) / (training.epochs - start)
    return highest * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)
