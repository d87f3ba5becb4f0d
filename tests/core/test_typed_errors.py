"""Typed errors, ids, egress switches: what every door relies on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from nullalpha.core import errors
from nullalpha.core.egress import EGRESS_SWITCHES, SAFETY_SWITCHES
from nullalpha.core.errors import DataError, Finding, Issue, NotFoundError, NullAlphaError, SpecError, nearest
from nullalpha.core.ids import new_id

TYPES = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, NullAlphaError)]
PLAIN = [item for item in TYPES if item is not SpecError]


@pytest.mark.parametrize("kind", PLAIN)
def test_every_error_is_plain_json_with_the_same_five_fields(kind: type[NullAlphaError]) -> None:
    body = json.loads(json.dumps(kind("what and where", path="a.b", value=3.5, suggestion="do that").to_dict()))
    assert {"code": kind.code, "message": "what and where", "path": "a.b", "value": "3.5", "suggestion": "do that"}.items() <= body.items()


def test_codes_are_unique_and_exit_codes_are_the_documented_ones() -> None:
    codes = [kind.code for kind in TYPES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)
    assert {kind.exit_code for kind in TYPES} == {1, 2, 4, 130}
    assert errors.BudgetExhaustedError.exit_code == 4
    assert errors.CancelledError.exit_code == 130
    assert all(kind.exit_code == 2 for kind in TYPES if issubclass(kind, errors.UsageError))


def test_a_long_value_is_cut_and_a_missing_one_stays_none() -> None:
    assert NotFoundError("x", value="v" * 1000).value == "v" * 200
    assert NotFoundError("x").to_dict()["value"] is None
    assert NotFoundError("x", value=0).value == "0"


def test_an_invalid_strategy_carries_every_issue_and_leads_with_the_first() -> None:
    issues = [Issue("features.rsi", "unknown_indicator", "unknown indicator 'rsl'", "rsl", "rsi"), Issue("model", "missing", "is missing")]
    error = SpecError(issues)
    assert str(error) == "features.rsi: unknown indicator 'rsl' (+1 more)"
    assert error.to_dict()["errors"] == [
        {"path": "features.rsi", "code": "unknown_indicator", "message": "unknown indicator 'rsl'", "value": "rsl", "suggestion": "rsi"},
        {"path": "model", "code": "missing", "message": "is missing", "value": None, "suggestion": None},
    ]


def test_unusable_bars_carry_every_finding_with_its_row() -> None:
    error = DataError("bad", findings=[Finding("disorder", 3, "2024-01-05", "before row 2")])
    assert error.to_dict()["findings"] == [
        {"code": "disorder", "row": 3, "time": "2024-01-05", "message": "before row 2", "severity": "error"}
    ]


def test_the_nearest_name_is_suggested_only_when_it_is_near() -> None:
    assert nearest("rsl", ["rsi", "adx"]) == "rsi"
    assert nearest("zzzz", ["rsi", "adx"]) is None


def test_new_ids_carry_their_day_and_do_not_repeat() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    ids = {new_id("c", now) for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"c-20261120-[0-9a-hjkmnp-tv-z]{6}", i) for i in ids)


def test_closing_egress_overrules_the_environment_and_children_inherit_it() -> None:
    program = (
        "from nullalpha.core.egress import close_egress\nclose_egress()\nimport json, os, subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'import json, os; print(json.dumps(dict(os.environ)))'],"
        " capture_output=True, text=True).stdout)"
    )
    open_for_all = dict.fromkeys([*EGRESS_SWITCHES, *SAFETY_SWITCHES], "0")
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | open_for_all)
    assert {**EGRESS_SWITCHES, **SAFETY_SWITCHES}.items() <= json.loads(printed.stdout).items()
