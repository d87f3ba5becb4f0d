"""Tools that run one strategy or outside signal on the search zone, and that read what an experiment traded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from nullalpha.core.campaign import RunTerms
from nullalpha.core.errors import NotFoundError
from nullalpha.engines.plain import plain
from nullalpha.tools.data import file_under_root
from nullalpha.tools.desk import Desk
from nullalpha.tools.experiments import ExperimentDetails, experiment_get

if TYPE_CHECKING:
    from nullalpha.engines.order_log import StoredAccount

Seed = Annotated[int, Field(ge=0, lt=2**31)]
FromDate = Annotated[
    str | None,
    Field(max_length=10, description="ISO date: the first out-of-sample bar is known on or after it; models train on what precedes"),
]
ToDate = Annotated[str | None, Field(max_length=10, description="ISO date: bars known before it; no later than the search zone's end")]
EngineName = Annotated[
    str, Field(max_length=40, description="that runs the backtests: nullalpha or vectorbt; it refuses what it cannot do")
]


class Backtest(ExperimentDetails):
    """An experiment just run. `snapshot`: of the bars, several instruments' ids joined by commas. `n_bars`, `trades`: of the account.

    `equity`, `orders`: parquet files: time, equity, cash, returns and exposure of each bar; a row a fill. Null where nothing was computed.
    """

    snapshot: str
    trades: int | None
    equity: str | None
    orders: str | None


class ReplayRecord(BaseModel):
    """The order log replayed against the bars. `largest_difference` of equity, as a share of it or of the capital, whichever is larger.

    `first_difference` names the first bar beyond `tolerance`; null where there is none, and then `equal` is true.
    """

    n_bars: int
    equal: bool
    tolerance: float
    largest_difference: float | None
    first_difference: dict[str, Any] | None


class TradeLog(BaseModel):
    """What an experiment traded on the search zone.

    A trade: prices and units of its own days, half spread and slippage in the prices; `pnl` net of all costs, `fees` what it cost, `mae`
    and `mfe` how far prices went against it and in its favour as fractions of the entry price. An order: prices and signed units of the
    adjusted bars, `carry` and `income` since the fill before, `held` the units after it. Money in currency.
    """

    experiment_id: str
    name: str
    instruments: list[str]
    n_trades: int
    n_orders: int
    trades: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    replay: ReplayRecord


def strategy_backtest(
    desk: Desk,
    *,
    document: Annotated[str, Field(max_length=100_000)],
    seed: Seed = 0,
    instruments: Annotated[list[str] | None, Field(min_length=1, max_length=50, description="instead of the document's")] = None,
    timeframe: Annotated[str | None, Field(max_length=20, description="instead of the document's")] = None,
    from_date: FromDate = None,
    to_date: ToDate = None,
    engine: EngineName = "nullalpha",
) -> Backtest:
    """Train and backtest one strategy walk-forward through the search zone and judge it; it counts as a trial of the home."""
    from nullalpha.strategy.validate import parse_strategy  # noqa: PLC0415

    spec, _ = parse_strategy(document, desk.vocabulary)
    body = spec.model_dump(mode="json", exclude_none=False, by_alias=True)
    body |= {name: value for name, value in (("instruments", instruments), ("timeframe", timeframe)) if value is not None}
    return _ran(desk, desk.runs.run(body, desk.actor, RunTerms(seed, engine, from_date, to_date)))


def signal_backtest(
    desk: Desk,
    *,
    path: Annotated[str, Field(max_length=4096, description="a parquet file: time (UTC), target_position (-1..1 of equity)")],
    instrument: Annotated[str, Field(max_length=20)],
    timeframe: Annotated[str, Field(max_length=20)] = "1d",
    seed: Seed = 0,
    from_date: FromDate = None,
    to_date: ToDate = None,
    engine: EngineName = "nullalpha",
) -> Backtest:
    """Backtest target positions that were decided elsewhere, by the rules of every other backtest here; it counts as a trial of the home.

    A position known at a time counts from the first bar that closes then or later, and fills no earlier than the next bar.
    """
    terms = RunTerms(seed, engine, from_date, to_date)
    return _ran(desk, desk.runs.run_signal(file_under_root(desk, path, "--signal"), instrument, timeframe, desk.actor, terms))


def experiment_trades(desk: Desk, *, id: str, orders: bool = False) -> TradeLog:  # noqa: A002  (the word of the contract)
    """List an experiment's trades out of sample in the search zone, with `orders` its fills too, and replay them: they give its equity."""
    from nullalpha.engines.order_log import TOLERANCE, check_by_replay  # noqa: PLC0415  (what computes is loaded only where it is needed)
    from nullalpha.tools.tables import orders_table, records_of, trades_table  # noqa: PLC0415

    row = desk.stores.experiments.get(id)
    account = account_of(desk, id)
    report = check_by_replay(account)
    first = None
    if report.first is not None:
        time, replayed, stored = report.first
        first = {"time": f"{time.astype('datetime64[s]')}Z", "replayed": plain(replayed), "stored": plain(stored)}
    return TradeLog(
        experiment_id=row.id,
        name=row.name,
        instruments=list(account.instruments),
        n_trades=len(account.trades),
        n_orders=len(account.orders),
        trades=records_of(trades_table(account)),
        orders=records_of(orders_table(account)) if orders else [],
        replay=ReplayRecord(
            n_bars=report.n_bars,
            equal=report.first is None,
            tolerance=TOLERANCE,
            largest_difference=plain(report.largest),
            first_difference=first,
        ),
    )


def account_of(desk: Desk, experiment_id: str) -> StoredAccount:
    """Return what is stored of an experiment's account over the search zone.

    Raises:
        NotFoundError: if there is no such experiment, or nothing of it was computed.
        ArtifactError: if what is stored is missing or torn.
    """
    from nullalpha.engines.order_log import stored_account  # noqa: PLC0415
    from nullalpha.engines.protocol import Protocol  # noqa: PLC0415

    row, result = desk.stores.experiments.get(experiment_id), desk.stores.experiments.result(experiment_id, "search")
    if result is None or result.status != "done" or "orders" not in result.body or row.campaign_id is None:
        raise NotFoundError(
            f"{row.name} ({experiment_id}) has no orders: nothing of it was computed in the search zone",
            path="id",
            value=experiment_id,
            suggestion=f"`nullalpha experiments show {experiment_id}` says why",
        )
    return stored_account(desk.artifacts, result.body, Protocol(**desk.stores.campaigns.get(row.campaign_id).protocol))


def _ran(desk: Desk, experiment_id: str) -> Backtest:
    """Return an experiment that has just been run, its account and its orders written as files."""
    details = experiment_get(desk, id=experiment_id)
    metrics, files = details.experiment.metrics, _files(desk, experiment_id) if details.n_bars is not None else (None, None)
    return Backtest(
        **dict(details),
        snapshot=",".join(ref.snapshot for ref in details.data if ref.instrument in details.experiment.instruments),
        trades=metrics.n_trades if metrics else None,
        equity=files[0],
        orders=files[1],
    )


def _files(desk: Desk, experiment_id: str) -> tuple[str, str]:
    """Write an account and its orders as parquet and return where they lie."""
    from nullalpha.tools.tables import account_table, orders_table, to_parquet  # noqa: PLC0415

    account = account_of(desk, experiment_id)
    tables = {"equity": account_table(account), "orders": orders_table(account)}
    equity, orders = (str(desk.artifacts.path(desk.artifacts.put(f"{name}.parquet", to_parquet(one)))) for name, one in tables.items())
    return equity, orders
