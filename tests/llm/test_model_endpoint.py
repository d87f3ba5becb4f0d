"""Endpoints: which are near, which are malformed, and that describing one costs no heavy import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nullalpha.core.errors import RefusedError, SettingsError
from nullalpha.llm.endpoint import ModelEndpoint, refuse_remote

MALFORMED = ["", "127.0.0.1:80", "ftp://127.0.0.1/v1", "http://", "http://127.0.0.1:x/v1", "http://me:pw@127.0.0.1/v1", "http://[::1/v1"]
NAMES = ["models.example.com", "127.0.0.1.example.com", "localhost.example.com", "127.1", "2130706433"]
REMOTE = [*NAMES, "8.8.8.8", "172.32.0.1", "169.254.169.254", "0.0.0.0", "[2001:db8::1]", "[::ffff:8.8.8.8]"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "10.1.2.3", "172.31.0.9", "192.168.1.20", "[::1]", "[fd00::5]"])
def test_loopback_and_private_addresses_pass(host: str) -> None:
    refuse_remote(ModelEndpoint("openai/m", f"http://{host}:8080/v1"))


@pytest.mark.parametrize("host", REMOTE)
def test_everything_else_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(RefusedError):
        refuse_remote(ModelEndpoint("openai/m", f"http://{host}:8080/v1"))
    refuse_remote(ModelEndpoint("openai/m", f"http://{host}:8080/v1", allow_remote=True))


@pytest.mark.parametrize("base", MALFORMED)
def test_a_malformed_address_is_a_settings_error(base: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ModelEndpoint("openai/m", base)
    assert caught.value.suggestion


def test_an_unknown_kind_of_server_names_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        ModelEndpoint("olama_chat/qwen", "http://127.0.0.1:1")
    assert caught.value.suggestion == "write ollama_chat/qwen"


@pytest.mark.parametrize("changes", [{"deadline_seconds": 0.0}, {"answer_tokens": 9000}, {"answer_tokens": 0}, {"max_faults": -1}])
def test_limits_out_of_range_are_settings_errors(changes: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        ModelEndpoint("openai/m", "http://127.0.0.1:1/v1", **changes)  # type: ignore[arg-type]


def test_litellm_is_imported_by_the_client_alone_and_reads_no_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLANTED_BY_DOTENV=1\n")
    code = (
        "import os, sys\n"
        "import nullalpha.agents.language, nullalpha.llm.endpoint, nullalpha.llm.calls\n"
        "assert 'litellm' not in sys.modules\n"
        "import nullalpha.llm.client\n"
        "assert 'litellm' in sys.modules\n"
        "assert 'PLANTED_BY_DOTENV' not in os.environ\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LITELLM_MODE"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
