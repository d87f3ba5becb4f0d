"""What one person asks to be run: a strategy or an outside signal, in this process, as a campaign of one that counts like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nullalpha.app.campaigns import create_campaign
from nullalpha.app.hosting import build_context
from nullalpha.app.lab import Lab
from nullalpha.core.campaign import SIGNAL, CampaignConfig, RunTerms
from nullalpha.core.errors import CancelledError, InsufficientBarsError, NullAlphaError, RefusedError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.core.ids import derived_id
from nullalpha.data.outside_signal import refuse_outside_bars
from nullalpha.data.sources.signal_file import read_outside_signal
from nullalpha.engines.engine_check import refuse_engine, refuse_engine_of_strategy
from nullalpha.engines.outside import put_signal, traded_rows
from nullalpha.graphs.computing import compute_generation
from nullalpha.graphs.judging import assess, attack, evidence
from nullalpha.graphs.signals import backtest_signal
from nullalpha.memory.experiments import Design, registration
from nullalpha.operations.inline import InlineExecutor
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.structure import structure_of
from nullalpha.strategy.validate import parse_strategy

if TYPE_CHECKING:
    from nullalpha.app.campaigns import Check
    from nullalpha.data.bars import Bars
    from nullalpha.data.intervals import Zones
    from nullalpha.data.snapshots import Snapshot
    from nullalpha.engines.protocol import Protocol, Span
    from nullalpha.graphs.context import ResearchContext

MOST_NAME = 120
NOT_KNOWN = "Positions from outside the lab; what made them is not known here."


class PersonRuns:
    """Runs what a person asks for: registered first, refused before that where it cannot be run as asked."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, document: Mapping[str, Any], actor: str, terms: RunTerms) -> str:
        spec, warnings = parse_strategy(document, self._lab.vocabulary)
        plan = compile_strategy(spec, self._lab.vocabulary)

        def fits(snapshot: Snapshot, bars: Bars, protocol: Protocol, span: Span) -> None:
            try:
                refuse_engine_of_strategy(plan.decision, snapshot.instrument, bars, protocol, span)
            except InsufficientBarsError as error:
                if terms.tested_from is None and terms.tested_to is None:
                    raise
                advice = "models train on what precedes --from and are tested up to --to: leave enough bars on both sides"
                raise InsufficientBarsError(error.message, path="--from", value=terms.tested_from, suggestion=advice) from error

        context = self._campaign(plan.instruments, plan.timeframe, terms, fits, reads=plan.other_instruments)
        design = Design(
            id=derived_id("e", context.campaign.id, 0, 0, 0),
            campaign_id=context.campaign.id,
            generation=0,
            slot=0,
            attempt=0,
            designer="person",
            actor=actor,
            name=plan.name,
            hypothesis=plan.hypothesis,
            fingerprint=plan.fingerprint,
            registration=registration(document),
            instruments=list(plan.instruments),
            document=dict(document),
            issues=[asdict(issue) for issue in warnings],
            structure=structure_of(plan),
        )

        def work() -> None:
            compute_generation(context, [design.id])
            attack(context, design.id)
            evidence(context, design.id)
            assess(context, design.id)

        return self._registered(context, design, work)

    def run_signal(self, path: Path, instrument: str, timeframe: str, actor: str, terms: RunTerms) -> str:
        signal = read_outside_signal(path)

        def fits(snapshot: Snapshot, bars: Bars, protocol: Protocol, span: Span) -> None:
            start, stop = traded_rows(span, bars)
            refuse_outside_bars(signal.before(np.datetime64(span.end, "ns")), bars.time[:stop], bars.instrument)
            refuse_engine(snapshot.instrument, bars, protocol, slice(max(0, start - protocol.exposure_prior_bars), stop))

        context = self._campaign((instrument,), timeframe, terms, fits)
        known = signal.before(np.datetime64(self._zones().validation_start, "ns"))
        stored = put_signal(self._lab.artifacts, known)
        design = Design(
            id=derived_id("e", context.campaign.id, 0, 0, 0),
            campaign_id=context.campaign.id,
            generation=0,
            slot=0,
            attempt=0,
            designer=SIGNAL,
            actor=actor,
            name=path.stem[:MOST_NAME],
            hypothesis=NOT_KNOWN,
            fingerprint=fingerprint({"signal": stored, "instrument": instrument, "timeframe": timeframe}),
            registration=None,
            instruments=[instrument],
            document=None,
            parameters={"signal": stored, "rows": len(known), "rows_beyond": len(signal) - len(known)},
        )
        return self._registered(context, design, lambda: backtest_signal(context, design.id, stored))

    def _zones(self) -> Zones:
        current = self._lab.stores.looks.current_zones()
        assert current is not None  # a campaign has just been recorded under them
        return current[1]

    def _campaign(
        self, instruments: tuple[str, ...], timeframe: str, terms: RunTerms, fits: Check, reads: tuple[str, ...] = ()
    ) -> ResearchContext:
        config = CampaignConfig(instruments=instruments, reads=reads, timeframe=timeframe, trials=1, designer="person", **asdict(terms))
        campaign_id = create_campaign(self._lab, config, fits)
        return build_context(self._lab, campaign_id, InlineExecutor(self._lab.artifacts), _Nobody(), lambda: False)

    def _registered(self, context: ResearchContext, design: Design, work: Callable[[], None]) -> str:
        """Register a trial, do its work, and have the campaign's state say how that went."""
        campaigns, campaign_id = self._lab.stores.campaigns, context.campaign.id
        campaigns.set_status(campaign_id, "running")
        self._lab.stores.experiments.register([design])
        began = time.monotonic()
        try:
            work()
        except NullAlphaError as error:
            campaigns.set_status(campaign_id, "failed", error=error.to_dict())
            raise
        except KeyboardInterrupt as interrupt:
            campaigns.set_status(campaign_id, "stopped")
            raise CancelledError("cancelled; the trial stays on record") from interrupt
        finally:
            campaigns.add_seconds(campaign_id, time.monotonic() - began)
        campaigns.set_status(campaign_id, "done")
        return design.id


class _Nobody:
    """The designer of a campaign whose one strategy is already there."""

    name = "person"

    def propose(self, context: object, n: int) -> list[Any]:
        raise RefusedError(f"a person's campaign has its strategy; {n} more were asked for", path="designer")
