"""Tools that read experiments: listed, shown whole, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from nullalpha.core.campaign import SIGNAL
from nullalpha.core.errors import UsageError
from nullalpha.engines.protocol import Protocol
from nullalpha.tools.contract import DataRef, ExperimentRecord
from nullalpha.tools.desk import Desk
from nullalpha.tools.results import experiment_records

if TYPE_CHECKING:
    from nullalpha.memory.experiments import ExperimentRow


class ExperimentList(BaseModel):
    experiments: list[ExperimentRecord]


class LockboxLook(BaseModel):
    """An opening of the lockbox; figures are None until it was judged. `level` is what `p` had to be at or below."""

    id: str
    opened: str
    result: str | None
    p: float | None
    level: float | None
    excess_sharpe: float | None


class SignalRecord(BaseModel):
    """An outside signal: the content that was backtested, its rows, and the rows from beyond the search zone, which were left out."""

    sha256: str
    rows: int
    rows_beyond: int


class CostsRecord(BaseModel):
    """What trading costs and what was paid.

    `instruments`: fill basis, lot, tick, multiplier and costs of each. `cash`: rates a year, fractions. `paid`: in all, in currency
    (interest and income are received where above 0). `share_of_equity`: the same over the equity before each bar, summed.
    """

    instruments: dict[str, dict[str, Any]]
    cash: dict[str, float]
    paid: dict[str, float]
    share_of_equity: dict[str, float]


class ExperimentDetails(BaseModel):
    """One experiment whole; `lockbox` is what its one opening of the lockbox said, None where there was none or an agent asks.

    `signal`: of an outside signal, which has no document, no folds and no rules. `window`: first and last day out of sample; `n_bars`
    lie there. `data`: the snapshots that it ran on.
    """

    experiment: ExperimentRecord
    hypothesis: str
    document: dict[str, Any] | None
    warnings: list[dict[str, Any]]
    folds: list[dict[str, Any]]
    rules: dict[str, Any]
    pruning: dict[str, Any]
    lookahead: dict[str, Any] | None
    artifacts: dict[str, str | None]
    engine: str
    data: list[DataRef]
    window: tuple[str, str] | None = None
    n_bars: int | None = None
    costs: CostsRecord | None = None
    signal: SignalRecord | None = None
    lockbox: LockboxLook | None = None


class Comparison(BaseModel):
    """Figures side by side: a row a figure, a column an experiment."""

    ids: list[str]
    names: list[str]
    figures: dict[str, list[float | None]]
    verdicts: list[str | None]


def experiment_list(
    desk: Desk,
    *,
    campaign_id: str | None = None,
    verdict: Literal["reject", "iterate", "shortlist"] | None = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 50,
) -> ExperimentList:
    """List experiments, best first, with verdicts, reasons and out-of-sample figures."""
    store = desk.stores.experiments
    if campaign_id is not None:
        desk.stores.campaigns.get(campaign_id)
    rows = store.all() if campaign_id is None else store.of_campaign(campaign_id)
    records = experiment_records(desk.stores, rows, person=desk.person)
    return ExperimentList(experiments=[r for r in records if verdict in (None, r.verdict)][:limit])


def experiment_get(desk: Desk, *, id: str) -> ExperimentDetails:  # noqa: A002  (the word of the contract)
    """Show one experiment: its document, figures, folds, rules after training, and the verdict with its reasons."""
    row = desk.stores.experiments.get(id)
    result = desk.stores.experiments.result(id, "search")
    body = result.body if result and result.status == "done" else {}
    attacked = desk.stores.experiments.result(id, "attack")
    campaign = None if row.campaign_id is None else desk.stores.campaigns.get(row.campaign_id)
    protocol = Protocol(**campaign.protocol) if campaign else Protocol()
    return ExperimentDetails(
        experiment=experiment_records(desk.stores, [row], person=desk.person)[0],
        hypothesis=row.hypothesis,
        document=row.document,
        warnings=row.issues,
        folds=body.get("folds", []),
        rules=body.get("rules", {}),
        pruning=body.get("pruning", {}),
        lookahead=attacked.body if attacked else None,
        artifacts={"series": body.get("series"), "weights": body.get("last_weights"), "orders": body.get("orders")},
        engine=protocol.engine,
        data=[DataRef(**{key: ref[key] for key in DataRef.model_fields}) for ref in campaign.data] if campaign else [],
        window=body.get("window"),
        n_bars=body.get("n_bars"),
        costs=_costs(body, protocol) if "paid" in body else None,
        signal=_signal(row) if row.designer == SIGNAL else None,
        lockbox=_lockbox_look(desk, row) if desk.person else None,
    )


def _costs(body: dict[str, Any], protocol: Protocol) -> CostsRecord:
    named = ("fill_basis", "currency", "lot", "tick", "multiplier")
    facts = {symbol: item["instrument"] for symbol, item in body["market"].items()}
    return CostsRecord(
        instruments={symbol: {name: one[name] for name in named} | one["costs"] for symbol, one in facts.items()},
        cash={"interest": protocol.cash_interest, "debit": protocol.cash_debit, "risk_free": protocol.risk_free},
        paid=body["paid"]["currency"],
        share_of_equity=body["paid"]["share_of_equity"],
    )


def _signal(row: ExperimentRow) -> SignalRecord:
    facts = row.parameters or {}
    return SignalRecord(sha256=facts["signal"], rows=facts["rows"], rows_beyond=facts["rows_beyond"])


def _lockbox_look(desk: Desk, row: ExperimentRow) -> LockboxLook | None:
    """Return the opening for a strategy, if there is one; what behaves the same has one between them."""
    looks = desk.stores.looks.all("lockbox") if row.fingerprint else []
    openings = [look for look in looks if look.experiment_id == row.id or look.fingerprint == row.fingerprint]
    if not openings:
        return None
    said = openings[0].result or {}
    figures = {name: said.get(name) for name in ("result", "p", "level", "excess_sharpe")}
    return LockboxLook(id=openings[0].id, opened=openings[0].created, **figures)


def experiment_compare(desk: Desk, *, ids: Annotated[list[str], Field(min_length=2, max_length=20)]) -> Comparison:
    """Put experiments side by side, figure by figure."""
    if len(set(ids)) != len(ids):
        raise UsageError("an experiment is named twice", path="ids", value=ids)
    rows = [desk.stores.experiments.get(i) for i in ids]
    records = {r.id: r for r in experiment_records(desk.stores, rows, person=desk.person)}
    ordered = [records[i] for i in ids]
    dumps = [r.metrics.model_dump() if r.metrics else {} for r in ordered]
    names = sorted({key for dump in dumps for key in dump})
    return Comparison(
        ids=ids,
        names=[r.name for r in ordered],
        figures={name: [dump.get(name) for dump in dumps] for name in names},
        verdicts=[r.verdict for r in ordered],
    )
