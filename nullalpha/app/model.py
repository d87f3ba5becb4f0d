"""Binding a campaign's language model: settings and command line to an endpoint, its calls to the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nullalpha.agents.language import LanguageDesigner
from nullalpha.llm.client import complete
from nullalpha.llm.endpoint import ModelEndpoint

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab


def model_designer(lab: Lab, campaign_id: str, config: Mapping[str, Any]) -> LanguageDesigner:
    """Return the designer that asks the campaign's model; every call goes into the ledger."""
    settings = lab.settings.model
    endpoint = ModelEndpoint(
        model=config["model"] or settings.name or "",
        api_base=config["api_base"] or settings.api_base,
        api_key_env=settings.api_key_env,
        context_tokens=settings.context_tokens,
        deadline_seconds=settings.deadline_seconds,
        allow_remote=settings.allow_remote,
    )
    return LanguageDesigner(
        complete=complete,
        endpoint=endpoint,
        record=lambda record: lab.stores.audit.model_call(campaign_id, asdict(record)),
        on_failure=lambda failure: lab.stores.campaigns.emit(campaign_id, "no_proposal", asdict(failure)),
    )
