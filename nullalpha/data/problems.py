"""What is wrong, or doubtful, with many rows at once: kept as row numbers, told as findings only when somebody reads them.

A broken file of a million rows has a million rows in one `Problem` and `MAX_TOLD` findings, of which the last says how many more there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nullalpha.core.errors import Finding
from nullalpha.data.bars import IntArray

MAX_TOLD = 1000
"""Findings of one problem."""


@dataclass(frozen=True)
class Problem:
    """One kind of thing that is wrong with rows of a received table.

    Attributes:
        code, severity: as in `Finding`.
        rows: (n,) received row numbers, ascending; empty when it is the whole table that is wrong.
        told: the time and the message of the k-th of these rows; of the table, when there are no rows.
    """

    code: str
    rows: IntArray
    told: Callable[[int], tuple[str | None, str]]
    severity: str = "error"

    @property
    def of_the_table(self) -> bool:
        return not len(self.rows)


def table_problem(code: str, message: str) -> Problem:
    """Return what is wrong with a table as a whole."""
    return Problem(code, np.empty(0, dtype=np.int64), lambda _: (None, message))


def of_findings(findings: Sequence[Finding]) -> list[Problem]:
    """Return findings made elsewhere as problems, in their order."""
    return [_of_finding(finding) for finding in findings]


def told(problems: Sequence[Problem]) -> list[Finding]:
    """Return the findings in row order, those about the whole table first."""
    findings = [finding for problem in problems for finding in _findings(problem)]
    return sorted(findings, key=lambda finding: -1 if finding.row is None else finding.row)


def has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def wrong_rows(problems: Sequence[Problem]) -> IntArray:
    """Return the received numbers of all rows that have an error, ascending, each once."""
    rows = [problem.rows for problem in problems if problem.severity == "error"]
    return np.unique(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)


def within(problem: Problem, rows: IntArray) -> Problem:
    """Return a problem of rows for those alone that are among `rows`."""
    kept = np.flatnonzero(np.isin(problem.rows, rows))
    return replace(problem, rows=problem.rows[kept], told=lambda k: problem.told(int(kept[k])))


def _of_finding(finding: Finding) -> Problem:
    rows = np.array([] if finding.row is None else [finding.row], dtype=np.int64)
    return Problem(finding.code, rows, lambda _: (finding.time, finding.message), finding.severity)


def _findings(problem: Problem) -> Iterator[Finding]:
    if problem.of_the_table:
        yield Finding(problem.code, None, *problem.told(0), problem.severity)
        return
    more = len(problem.rows) - MAX_TOLD
    kept = min(len(problem.rows), MAX_TOLD)
    for k in range(kept):
        finding = Finding(problem.code, int(problem.rows[k]), *problem.told(k), problem.severity)
        last = more > 0 and k == kept - 1
        yield replace(finding, message=f"{finding.message}; and {more} more such rows") if last else finding
