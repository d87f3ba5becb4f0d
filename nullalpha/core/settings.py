"""Settings: one TOML file in the home, environment variables over it. Only these types and the composition root read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableVariableError

from nullalpha.core.complaints import complaint
from nullalpha.core.errors import SettingsError

HOME_VARIABLE = "NULLALPHA_HOME"
SETTINGS_FILE = "settings.toml"
LEAST_RATE, MOST_RATE = -0.1, 0.5
MOST_PERCENT = 50.0
"""Rates beyond these are percent, or a slip."""


def _fraction(rate: float) -> float:
    if not LEAST_RATE <= rate <= MOST_RATE:
        percent = f"; {rate:g} percent is {rate / 100:g}" if 1.0 <= abs(rate) <= MOST_PERCENT else ""
        raise ValueError(f"a rate is a fraction a year between {LEAST_RATE:g} and {MOST_RATE:g}{percent}")
    return rate


YearlyRate = Annotated[float, AfterValidator(_fraction)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Section):
    """The language model that `--designer llm` asks; nothing is asked unless a model is named.

    `api_key_env` names an environment variable; the key itself is never stored. `training_cutoff` is the model's stated one: its
    strategies can be promoted only where the lockbox begins after it, because a model may have read about the future.
    """

    name: str | None = None
    api_base: str = "http://127.0.0.1:8000/v1"
    api_key_env: str | None = None
    training_cutoff: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    context_tokens: int = Field(default=8192, ge=1024)
    deadline_seconds: float = Field(default=300.0, gt=0)
    max_repairs: int = Field(default=3, ge=0, le=10)
    allow_remote: bool = False


class ResearchSettings(_Section):
    """Defaults of a campaign, and the home's share of the protocol; fixed for a campaign when it starts."""

    trials: int = Field(default=24, ge=1, le=100_000)
    k_best: int = Field(default=8, ge=1, le=64)
    q: float = Field(default=0.10, gt=0, lt=1)
    validation_from: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    lockbox_from: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")


class MarketSettings(_Section):
    """Rates of money, fractions a year (0.03 is three percent); part of the home's protocol, fixed for a campaign when it starts.

    `risk_free` is what Sharpe ratios are in excess of, `cash_interest` what cash earns, `cash_debit` what borrowed cash costs: unless
    it is said, what cash earns (0 where that is below 0); never less, which would pay for borrowing.
    """

    risk_free: YearlyRate = 0.0
    cash_interest: YearlyRate = 0.0
    cash_debit: YearlyRate | None = None

    @model_validator(mode="after")
    def _borrowing_does_not_pay(self) -> Self:
        if self.cash_debit is not None and self.cash_debit < self.cash_interest:
            raise ValueError(
                f"cash_debit {self.cash_debit:g} is below cash_interest {self.cash_interest:g}, so that borrowed cash would earn; "
                "raise it, or leave it out"
            )
        return self

    @property
    def debit(self) -> float:
        """What borrowed cash costs."""
        return max(self.cash_interest, 0.0) if self.cash_debit is None else self.cash_debit


class YfinanceSettings(_Section):
    base_url: str | None = None


class AlpacaSettings(_Section):
    """`key_env` and `secret_env` name environment variables; credentials are never stored."""

    base_url: str | None = None
    key_env: str = "NULLALPHA_ALPACA_KEY"
    secret_env: str = "NULLALPHA_ALPACA_SECRET"
    adjustment: Literal["raw", "split", "dividend", "all"] = "all"
    feed: Literal["iex", "sip", "delayed_sip", "otc"] | None = None


class FredSettings(_Section):
    base_url: str | None = None
    key_env: str = "NULLALPHA_FRED_KEY"
    revisions: bool = False
    release_time: str | None = None
    lag_days: int | None = Field(default=None, ge=0, le=1000)


class CftcSettings(_Section):
    base_url: str | None = None
    token_env: str = "NULLALPHA_CFTC_TOKEN"


class CcxtSettings(_Section):
    base_url: str | None = None
    exchange: str = "coinbase"


class RetrySettings(_Section):
    """How long `data fetch` insists, in seconds; what each means stands in `nullalpha.data.connect.retry`."""

    tries: int = Field(default=5, ge=1, le=20)
    first_wait: float = Field(default=1.0, ge=0, le=60)
    longest_wait: float = Field(default=60.0, gt=0, le=600)
    deadline: float = Field(default=180.0, gt=0, le=3600)
    request_timeout: float = Field(default=30.0, gt=0, le=600)


class ConnectSettings(_Section):
    """Services that `data fetch` may ask, each only when it is named; nothing else of the lab uses a network."""

    yfinance: YfinanceSettings = YfinanceSettings()
    alpaca: AlpacaSettings = AlpacaSettings()
    fred: FredSettings = FredSettings()
    cftc: CftcSettings = CftcSettings()
    ccxt: CcxtSettings = CcxtSettings()
    retry: RetrySettings = RetrySettings()


class Settings(BaseSettings):
    """All settings. `NULLALPHA_DEVICE=cpu` or `NULLALPHA_MODEL__NAME=...` override the file.

    `deterministic` takes on CUDA only algorithms that give the same bits every time, which costs speed; a CPU always does.
    """

    model_config = SettingsConfigDict(env_prefix="NULLALPHA_", env_nested_delimiter="__", extra="forbid", frozen=True)

    workers: int | None = Field(default=None, ge=1, le=256)
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda|mps)$")
    deterministic: bool = False
    model: ModelSettings = ModelSettings()
    research: ResearchSettings = ResearchSettings()
    market: MarketSettings = MarketSettings()
    connect: ConnectSettings = ConnectSettings()

    toml_path: ClassVar[Path | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings)
        return sources if cls.toml_path is None else (*sources, TomlConfigSettingsSource(settings_cls, cls.toml_path))

    def n_workers(self) -> int:
        """Return how many worker processes to keep."""
        return self.workers or max(1, min(8, os.cpu_count() or 1))


def default_home() -> Path:
    """Return the home to use when none is named: $NULLALPHA_HOME, else ~/.nullalpha."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / ".nullalpha").expanduser()


def load_settings(home: Path) -> Settings:
    """Read the settings of a home.

    Raises:
        SettingsError: naming the file or variable, the key and what it takes.
    """
    path = home / SETTINGS_FILE

    class HomeSettings(Settings):
        toml_path: ClassVar[Path | None] = path if path.is_file() else None

    try:
        return HomeSettings()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"settings: {complaint(first, where)}", path=where, value=first.get("input"), suggestion=f"see {path} and NULLALPHA_* variables"
        ) from error
    except UnreadableVariableError as error:
        raise SettingsError(f"settings: {error}", suggestion="a section's variable is named e.g. NULLALPHA_MODEL__NAME") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", path=str(path)) from error
