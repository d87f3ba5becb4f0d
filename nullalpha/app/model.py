"""Binding a campaign's language model: settings and command line to an endpoint, its calls to the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nullalpha.agents.language import LanguageDesigner
from nullalpha.app.endpoint import endpoint_of
from nullalpha.llm.client import complete

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab


def model_designer(lab: Lab, campaign_id: str, config: Mapping[str, Any]) -> LanguageDesigner:
    """Return the designer that asks the campaign's model; every call goes into the ledger."""
    endpoint = endpoint_of(lab.settings.model, config["model"], config["api_base"])
    return LanguageDesigner(
        complete=complete,
        endpoint=endpoint,
        record=lambda record: lab.stores.audit.model_call(campaign_id, asdict(record)),
        on_failure=lambda failure: lab.stores.campaigns.emit(campaign_id, "no_proposal", asdict(failure)),
    )
