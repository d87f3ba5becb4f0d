"""Host one campaign: run its graph until the LEDGER says that it is over, from wherever it stands."""

from __future__ import annotations

import time
from pathlib import Path

from langchain_core.runnables import RunnableConfig

from nullalpha.core.errors import CancelledError, ModelUnavailableError, NullAlphaError, StorageFullError
from nullalpha.graphs.campaign import build_campaign, initial_state
from nullalpha.graphs.checkpoints import open_checkpoints
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.campaigns import TERMINAL

STEPS_PER_GENERATION = 20
SPARE_STEPS = 50


def host_campaign(context: ResearchContext, database: Path) -> str:
    """Run the campaign to its end and return its final status.

    The caller holds the home's lease, so that nobody else runs this thread. Every transition is checkpointed before the next begins
    (`durability="sync"`); a node that runs again after a crash finds what it did in the ledger.

    Raises:
        CancelledError: when it was stopped; status `stopped`, resumable.
        NullAlphaError: what ended it otherwise, after the ledger has it.
    """
    campaigns, campaign_id = context.stores.campaigns, context.campaign.id
    if campaigns.get(campaign_id).status in ("done", "budget_exhausted"):
        return campaigns.get(campaign_id).status  # another host ended it while this one waited for the lease
    campaigns.set_status(campaign_id, "running")
    began = time.monotonic()
    try:
        _run(context, database)
    except CancelledError:
        campaigns.set_status(campaign_id, "stopped")
        raise
    except StorageFullError as error:
        campaigns.set_status(campaign_id, "paused", error=error.to_dict())
        raise
    except ModelUnavailableError as error:
        campaigns.set_status(campaign_id, "waiting_for_model", error=error.to_dict())
        raise
    except NullAlphaError as error:
        campaigns.set_status(campaign_id, "failed", error=error.to_dict())
        raise
    finally:
        campaigns.add_seconds(campaign_id, time.monotonic() - began)
    return campaigns.get(campaign_id).status


def _run(context: ResearchContext, database: Path) -> None:
    campaign_id = context.campaign.id
    generations = context.config.trials // context.protocol.generation_size + 1
    config: RunnableConfig = {
        "configurable": {"thread_id": campaign_id},
        "recursion_limit": SPARE_STEPS + STEPS_PER_GENERATION * generations,
        "max_concurrency": max(2, context.protocol.generation_size),
    }
    with open_checkpoints(database) as saver:
        graph = build_campaign().compile(checkpointer=saver)
        begun = saver.get_tuple(config) is not None
        while context.stores.campaigns.get(campaign_id).status not in TERMINAL:
            graph.invoke(None if begun else initial_state(context), config, context=context, durability="sync")
            if begun and not graph.get_state(config).next and context.stores.campaigns.get(campaign_id).status not in TERMINAL:
                raise NullAlphaError(f"campaign {campaign_id} has no step left but is not over", path="graph", value=campaign_id)
            begun = True
        saver.delete_thread(campaign_id)
