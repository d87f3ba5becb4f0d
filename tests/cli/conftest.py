"""The command line in this process: the same `main`, arguments and exit codes, without a second's start-up a call."""

from __future__ import annotations

import json
import sys

import pytest

from nullalpha.cli.main import main
from tests.support.campaigns import Cli, Ended, Refusal, Refused


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs `nullalpha ...` and returns how it ended; nothing may come out as a traceback."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["nullalpha", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert "operation_failed" not in captured.out, captured.out
        return Ended(int(stopped.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def refused(cli: Cli) -> Refused:
    """Return a function that runs a command with and without `--json` and returns the error, which both tell."""

    def run(*arguments: object) -> Refusal:
        spoken, ended = cli(*arguments), cli(*arguments, "--json")
        error = json.loads(ended.out)["error"]
        assert spoken.code == ended.code
        assert error["message"] in spoken.err or error["code"] == "invalid_strategy"
        assert not spoken.out
        return Refusal(ended.code, error)

    return run
