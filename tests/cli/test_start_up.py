"""Commands load what they need and no more: asserted by what is imported, not by a clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.campaigns import REPOSITORY, environment

HEAVY = {
    "torch", "numba", "pandas", "pyarrow", "scipy", "sqlalchemy", "alembic", "litellm", "langgraph", "langchain_core", "chromadb", "optuna",
    "plotly", "arch", "mcp", "exchange_calendars", "talib", "tokenizers", "safetensors", "pydantic",
}  # fmt: skip
PROBE = """
import json, sys
from nullalpha.cli.main import main
sys.argv = ["nullalpha", *sys.argv[1:]]
try:
    main()
finally:
    sys.stderr.write("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported(*arguments: object) -> set[str]:
    command = [sys.executable, "-c", PROBE, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=REPOSITORY, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stderr.splitlines()[-1]))


def test_the_probe_sees_a_heavy_module() -> None:
    assert imported("data", "list", "--json") & HEAVY >= {"pandas", "pydantic"}


@pytest.mark.parametrize("command", [("--help",), ("--version",)])
def test_help_and_version_load_not_even_pydantic(command: tuple[str, ...]) -> None:
    assert imported(*command) & HEAVY == set()


@pytest.mark.parametrize("command", [("research", "run", "--help"), ("data", "--help"), ("backtest", "--help")])
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    assert imported(*command) & (HEAVY - {"pydantic"}) == set()


def test_validating_a_strategy_loads_no_bars_models_or_database() -> None:
    loaded = imported("strategy", "validate", REPOSITORY / "examples" / "oversold-in-uptrend.yaml")
    assert loaded & (HEAVY - {"pydantic", "numba", "scipy"}) == set()  # an indicator is a signature and its kernel
