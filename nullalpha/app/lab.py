"""A lab: one home with its ledger, catalogue, artifacts and settings, each opened when first needed."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import HomeError
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.core.settings import Settings, load_settings
from nullalpha.strategy.vocabulary import Vocabulary

if TYPE_CHECKING:
    from nullalpha.data.catalogue import Catalogue
    from nullalpha.data.connect.config import ConnectConfig
    from nullalpha.data.instrument_book import InstrumentBook
    from nullalpha.data.snapshots import Snapshot
    from nullalpha.memory.stores import Stores
    from nullalpha.tools.desk import Desk
    from nullalpha.tools.door import ToolDoor

INSTRUMENTS_FILE = "instruments.yaml"
_COMPUTING = ("agents", "core", "data", "engines", "graphs", "strategy")
_COMPUTING_LIBRARIES = ("arch", "numba", "numpy", "optuna", "scikit-learn", "scipy", "torch")


class Lab:
    """Everything of one home. Nothing is created on disk until something is written."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self._opening = threading.Lock()
        self._stores: Stores | None = None
        self._catalogue: Catalogue | None = None

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.home)

    @property
    def stores(self) -> Stores:
        """The ledger's stores; opened once, whichever thread asks first."""
        from nullalpha.memory.stores import Stores

        with self._opening:
            if self._stores is None:
                self.ensure_home()
                self._stores = Stores.open(self.database)
            return self._stores

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue, with the packaged samples in it; opened once."""
        from nullalpha.data.catalogue import Catalogue, ensure_samples

        with self._opening:
            if self._catalogue is None:
                self.ensure_home()
                catalogue = Catalogue(self.home / "data")
                ensure_samples(catalogue, self.book)
                self._catalogue = catalogue
            return self._catalogue

    @cached_property
    def book(self) -> InstrumentBook:
        """The instruments file: what is traded here and what that costs."""
        from nullalpha.data.instrument_book import InstrumentBook

        return InstrumentBook(self.home / INSTRUMENTS_FILE)

    def standing(self, symbol: str, timeframe: str) -> Snapshot:
        """Return the latest snapshot of a series, described as the instruments file describes it now.

        Raises:
            NotFoundError: if there is none.
            SettingsError: if the instruments file is broken.
            RefusedError: if it says of the bars what needs them imported again (another calendar).
        """
        snapshot = self.catalogue.latest(symbol, timeframe)
        described = replace(self.book.describe(snapshot.instrument), source=snapshot.instrument.source)
        if described == snapshot.instrument:
            return snapshot
        return next(s for s in self.catalogue.redescribe(symbol, described) if s.timeframe == timeframe)

    def connect_config(self) -> ConnectConfig:
        """Return what `data fetch` may be told, from the settings."""
        from nullalpha.data.connect import config
        from nullalpha.data.connect.retry import RetryPolicy

        said = self.settings.connect
        return config.ConnectConfig(
            yfinance=config.YfinanceConfig(said.yfinance.base_url, cache=str(self.home / "cache" / "yfinance")),
            alpaca=config.AlpacaConfig(**said.alpaca.model_dump()),
            fred=config.FredConfig(**said.fred.model_dump()),
            cftc=config.CftcConfig(**said.cftc.model_dump()),
            ccxt=config.CcxtConfig(**said.ccxt.model_dump()),
            retry=RetryPolicy(**said.retry.model_dump()),
        )

    @cached_property
    def artifacts(self) -> ArtifactStore:
        return ArtifactStore(self.home / "artifacts")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        from nullalpha.engines.features.indicators.registry import VOCABULARY

        return VOCABULARY

    @cached_property
    def owner(self) -> str:
        """This process's name in claims; never the same after a restart."""
        return f"{os.getpid()}-{secrets.token_hex(4)}"

    @property
    def database(self) -> Path:
        return self.home / "ledger.db"

    @property
    def index_folder(self) -> Path:
        return self.home / "index"

    def ensure_home(self) -> None:
        """Make the home.

        Raises:
            HomeError: if it cannot be made or written.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"the home {self.home} cannot be made: {error.strerror}", path=str(self.home), suggestion="choose another with --home DIR"
            ) from error
        if not self.home.is_dir() or not os.access(self.home, os.W_OK | os.X_OK):
            raise HomeError(f"the home {self.home} cannot be written", path=str(self.home), suggestion="choose another with --home DIR")

    def desk(self, actor: str, *, person: bool, path_root: Path) -> Desk:
        """Return one actor's access to the lab."""
        from nullalpha.app.campaigns import SupervisedCampaigns
        from nullalpha.tools.desk import Desk

        return Desk(
            actor=actor,
            person=person,
            home=self.home,
            path_root=path_root,
            vocabulary=self.vocabulary,
            open_stores=lambda: self.stores,
            open_catalogue=lambda: self.catalogue,
            open_campaigns=lambda: SupervisedCampaigns(self),
            open_runs=self._open_runs,
            open_recollection=self._open_recollection,
            validation_from=lambda: self.settings.research.validation_from,
        )

    def door(self, actor: str, *, person: bool, path_root: Path | None = None) -> ToolDoor:
        """Return the tool door for one actor; files that it names must lie under `path_root` (default: the home)."""
        from nullalpha.tools.door import ToolDoor
        from nullalpha.tools.registry import TOOLS

        return ToolDoor(TOOLS, self.desk(actor, person=person, path_root=path_root or self.home))

    def _open_runs(self) -> _SingleRuns:
        from nullalpha.app.single_runs import PersonRuns

        return PersonRuns(self)

    def _open_recollection(self) -> _Recollection:
        from nullalpha.app.recollection import LedgerRecollection

        return LedgerRecollection(self.stores)


if TYPE_CHECKING:
    from nullalpha.core.ports import Recollection as _Recollection
    from nullalpha.core.ports import SingleRuns as _SingleRuns


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the hash of all that figures depend on: source files and the libraries that compute; part of each operation's key."""
    package = Path(__file__).parent.parent
    files = sorted(path for part in _COMPUTING for path in (package / part).rglob("*.py"))
    lines = [f"{path.relative_to(package)}:{sha256_hex(path.read_bytes())}" for path in files]
    return sha256_hex("\n".join([*lines, *(f"{name} {version(name)}" for name in _COMPUTING_LIBRARIES)]))
