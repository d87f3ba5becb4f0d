"""Settings: a home's TOML file, the environment over it, and typed refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from nullalpha.app.lab import Lab
from nullalpha.core.errors import SettingsError
from nullalpha.core.settings import Settings, default_home, load_settings
from nullalpha.data.connect.config import ConnectConfig


@pytest.fixture
def settled(tmp_path: Path) -> Path:
    (tmp_path / "settings.toml").write_text(
        'workers = 3\ndevice = "cpu"\n[model]\nname = "openai/file"\ncontext_tokens = 2048\n[research]\nvalidation_from = "2012-01-01"\n'
    )
    return tmp_path


def test_a_home_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path).model_dump() == Settings().model_dump()
    assert load_settings(tmp_path / "not" / "there").model_dump() == Settings().model_dump()
    assert Settings().model.name is None
    assert not Settings().model.allow_remote


def test_the_file_is_read(settled: Path) -> None:
    settings = load_settings(settled)
    assert (settings.workers, settings.device, settings.model.name) == (3, "cpu", "openai/file")
    assert settings.research.validation_from == "2012-01-01"


def test_a_variable_overrules_the_file_key_by_key(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLALPHA_WORKERS", "5")
    monkeypatch.setenv("NULLALPHA_MODEL__NAME", "ollama_chat/env")
    settings = load_settings(settled)
    assert settings.workers == 5
    assert settings.model.name == "ollama_chat/env"
    assert settings.model.context_tokens == 2048


def test_one_homes_file_is_not_anothers(settled: Path, tmp_path: Path) -> None:
    assert load_settings(settled).workers == 3
    assert load_settings(tmp_path / "other").workers is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("wrokers = 3", "wrokers"),
        ("[model]\nnmae = 'x'", "model.nmae"),
        ("workers = 0", "workers"),
        ("workers = 'many'", "workers"),
        ("device = 'gpu'", "device"),
        ("[research]\nq = 1.5", "research.q"),
        ("[research]\nlockbox_from = 'soon'", "research.lockbox_from"),
        ("[market]\nrisk_fre = 0.02", "market.risk_fre"),
        ("[market]\nrisk_free = 'much'", "market.risk_free"),
        ("[market]\ncash_interest = nan", "market.cash_interest"),
        ("[market]\ncash_debit = -0.2", "market.cash_debit"),
        ("[market]\ncash_interest = 0.03\ncash_debit = 0.01", "market"),
        ("[connect.freed]\nbase_url = 'x'", "connect.freed"),
        ("[connect.fred]\nkey = 'secret'", "connect.fred.key"),
        ("[connect.fred]\nlag_days = -1", "connect.fred.lag_days"),
        ("[connect.alpaca]\nadjustment = 'most'", "connect.alpaca.adjustment"),
        ("[connect.retry]\ntries = 0", "connect.retry.tries"),
        ("[connect.retry]\ndeadline = 99999", "connect.retry.deadline"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_place(tmp_path: Path, text: str, path: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    assert caught.value.path == path
    assert str(tmp_path / "settings.toml") in str(caught.value.suggestion)


def test_a_rate_in_percent_is_refused_with_the_fraction_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[market]\nrisk_free = 4\n")
    with pytest.raises(SettingsError, match=r"market\.risk_free is 4: .* between -0\.1 and 0\.5; 4 percent is 0\.04"):
        load_settings(tmp_path)


def test_borrowed_cash_costs_what_cash_earns_unless_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(tmp_path).market.debit == 0.0
    monkeypatch.setenv("NULLALPHA_MARKET__CASH_INTEREST", "0.03")
    monkeypatch.setenv("NULLALPHA_MARKET__RISK_FREE", "0.02")
    market = load_settings(tmp_path).market
    assert (market.risk_free, market.cash_interest, market.debit) == (0.02, 0.03, 0.03)
    monkeypatch.setenv("NULLALPHA_MARKET__CASH_DEBIT", "0.06")
    assert load_settings(tmp_path).market.debit == 0.06
    monkeypatch.setenv("NULLALPHA_MARKET__CASH_INTEREST", "-0.005")
    monkeypatch.delenv("NULLALPHA_MARKET__CASH_DEBIT")
    assert load_settings(tmp_path).market.debit == 0.0


def test_services_are_told_what_the_connect_section_says_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text(
        '[connect.fred]\nbase_url = "http://127.0.0.1:1/fred"\nrelease_time = "08:30"\nlag_days = 30\n'
        '[connect.alpaca]\nkey_env = "MY_KEY"\nfeed = "sip"\n[connect.ccxt]\nexchange = "kraken"\n[connect.retry]\ntries = 2\n'
    )
    monkeypatch.setenv("NULLALPHA_CONNECT__CFTC__TOKEN_ENV", "MY_TOKEN")
    config = Lab(tmp_path).connect_config()
    assert (config.fred.base_url, config.fred.release_time, config.fred.lag_days) == ("http://127.0.0.1:1/fred", "08:30", 30)
    assert (config.alpaca.key_env, config.alpaca.secret_env, config.alpaca.feed) == ("MY_KEY", "NULLALPHA_ALPACA_SECRET", "sip")
    assert (config.ccxt.exchange, config.cftc.token_env, config.retry.tries) == ("kraken", "MY_TOKEN", 2)
    assert config.yfinance.cache == str(tmp_path / "cache" / "yfinance")


def test_without_a_connect_section_services_are_as_their_own_defaults_say(tmp_path: Path) -> None:
    plain, config = ConnectConfig(), Lab(tmp_path).connect_config()
    assert replace(config, yfinance=plain.yfinance) == plain


@pytest.mark.parametrize("section", ["fred", "alpaca", "cftc", "ccxt", "yfinance"])
@pytest.mark.parametrize("url", ["ftp://x", "fred", "http://me:secret@127.0.0.1/", "http://127.0.0.1/?key=1"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused_by_its_place(tmp_path: Path, section: str, url: str) -> None:
    (tmp_path / "settings.toml").write_text(f'[connect.{section}]\nbase_url = "{url}"\n')
    with pytest.raises(SettingsError) as caught:
        Lab(tmp_path).connect_config()
    assert caught.value.path == f"connect.{section}.base_url"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("data", [b"workers = ", b"\xff\xfe", b"[model\n"])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "settings.toml").write_bytes(data)
    with pytest.raises(SettingsError, match=r"settings\.toml is not valid TOML"):
        load_settings(tmp_path)


def test_a_section_given_as_one_variable_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLALPHA_MODEL", "openai/x")
    with pytest.raises(SettingsError, match="model") as caught:
        load_settings(tmp_path)
    assert "TOML" not in caught.value.message
    assert "NULLALPHA_MODEL__NAME" in str(caught.value.suggestion)


def test_a_wrong_variable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLALPHA_RESEARCH__TRIALS", "-1")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    assert (caught.value.path, caught.value.value) == ("research.trials", "-1")


def test_settings_cannot_be_changed_once_read(settled: Path) -> None:
    settings = load_settings(settled)
    with pytest.raises(ValidationError, match="frozen"):
        settings.workers = 9  # type: ignore[misc]


def test_the_default_home_is_the_variables_else_the_persons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NULLALPHA_HOME", str(tmp_path / "lab"))
    assert default_home() == tmp_path / "lab"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NULLALPHA_HOME", "")
    assert default_home() == tmp_path / ".nullalpha"


def test_the_number_of_workers_is_at_least_one_and_at_most_what_was_asked() -> None:
    assert 1 <= Settings().n_workers() <= 8
    assert Settings(workers=12).n_workers() == 12
