"""Dropping a model's rules one after the other, each time the one without which the output changes least.

Change is the squared error against the whole model's output, summed over rows (backward elimination). Rules that are left are weighed
among themselves, as if the others had never been written; nothing is trained again. Of equals the first in the plan's order goes. A step
takes time in proportion to the rules that are left.
Source: Kohavi & John (1997), Wrappers for feature subset selection, Artificial Intelligence 97(1-2), for backward elimination.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray, IntArray

_CHUNK_ROWS = 1_024
"""Rows worked on at once: what the candidates need of them stays in the processor's cache."""
_FAINT = 1e-200
"""Sums of firing below this, beside a strongest of 1, may have lost digits."""


@dataclass(frozen=True)
class Rules:
    """Some rules of a model at some rows.

    Attributes:
        plain: whether "else flat" speaks too, as in kind `rules`.
        log_firing: (n_rules, n_rows) log of how true each condition is, times its rule's weight.
        answers: (n_rules, n_rows) what each rule answers.
    """

    plain: bool
    log_firing: FloatArray
    answers: FloatArray

    def only(self, left: IntArray) -> Rules:
        """Return some of these rules."""
        return Rules(self.plain, self.log_firing[left], self.answers[left])

    def output(self) -> FloatArray:
        """Return (n_rows,) what these rules say, weighed among themselves."""
        if self.plain:
            firing = np.exp(self.log_firing)
            share = firing / (firing.sum(axis=0) + (1 - firing).prod(axis=0))
        else:
            firing = np.exp(self.log_firing - self.log_firing.max(axis=0))
            share = firing / firing.sum(axis=0)
        said: FloatArray = (share * self.answers).sum(axis=0)
        return said

    def without_each(self) -> FloatArray:
        """Return (n_rules, n_rows) what the others say when one of them, two or more, is left out."""
        without = _plain_without_each if self.plain else _normalised_without_each
        out = np.empty_like(self.answers)
        for start in range(0, out.shape[1], _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            out[:, rows] = without(self.log_firing[:, rows], self.answers[:, rows])
        return out


@dataclass(frozen=True)
class Path:
    """The rules in the order in which they go; after i drops `left[i]` are left and say `outputs[i]` (n_rows,)."""

    dropped: tuple[int, ...]
    left: tuple[IntArray, ...]
    outputs: tuple[FloatArray, ...]


def eliminate(rules: Rules) -> Path:
    """Return the way from all rules to one."""
    left = np.arange(len(rules.answers))
    whole = rules.output()
    dropped, path, outputs = [], [left], [whole]
    while len(left) > 1:
        candidates = rules.without_each()
        change = candidates - whole
        gone = int(np.argmin(np.einsum("ij,ij->i", change, change)))
        others = np.delete(np.arange(len(left)), gone)
        dropped.append(int(left[gone]))
        left, rules = left[others], rules.only(others)
        path.append(left)
        outputs.append(candidates[gone])
    return Path(tuple(dropped), tuple(path), tuple(outputs))


def _normalised_without_each(log_firing: FloatArray, answers: FloatArray) -> FloatArray:
    """Return what is said without each rule where firing is normalised.

    Firing is scaled by the row's strongest rule, so sums without any other rule stay at 1 or more and lose no digits; sums without the
    strongest are made of the others alone and, where those are next to nothing beside it, scaled by the strongest of them.
    """
    rows = np.arange(log_firing.shape[1])
    strongest = log_firing.argmax(axis=0)
    firing = np.exp(log_firing - log_firing[strongest, rows])
    firing[strongest, rows] = 0.0
    said = firing * answers
    others, said_by_others, its_answer = firing.sum(axis=0), said.sum(axis=0), answers[strongest, rows]
    out: FloatArray = (said_by_others + its_answer - said) / (others + 1.0 - firing)
    faint = np.flatnonzero(others < _FAINT)
    if len(faint):
        weaker = log_firing[:, faint]
        weaker[strongest[faint], np.arange(len(faint))] = -np.inf
        firing = np.exp(weaker - weaker.max(axis=0))
        others[faint], said_by_others[faint] = firing.sum(axis=0), (firing * answers[:, faint]).sum(axis=0)
    out[strongest, rows] = said_by_others / others
    return out


def _plain_without_each(log_firing: FloatArray, answers: FloatArray) -> FloatArray:
    """Return what is said without each rule where "else flat" is as true as no rule is; the sum of all truths is at least 1."""
    firing = np.exp(log_firing)
    said = firing * answers
    untrue = 1 - firing
    wholly = untrue == 0
    n_wholly = wholly.sum(axis=0)
    untrue[wholly] = 1.0
    none_of_others = untrue.prod(axis=0) / untrue
    none_of_others[n_wholly - wholly > 0] = 0.0
    out: FloatArray = (said.sum(axis=0) - said) / (firing.sum(axis=0) - firing + none_of_others)
    return out
