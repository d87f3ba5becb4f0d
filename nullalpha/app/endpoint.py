"""From settings and a campaign's own wishes to the endpoint of its language model."""

from __future__ import annotations

from nullalpha.core.settings import ModelSettings
from nullalpha.llm.endpoint import ModelEndpoint


def endpoint_of(settings: ModelSettings, model: str | None, api_base: str | None) -> ModelEndpoint:
    """Return the endpoint; what the campaign names goes before the settings.

    Raises:
        SettingsError: if the model's provider or address makes no sense.
    """
    return ModelEndpoint(
        model=model or settings.name or "",
        api_base=api_base or settings.api_base,
        api_key_env=settings.api_key_env,
        context_tokens=settings.context_tokens,
        deadline_seconds=settings.deadline_seconds,
        allow_remote=settings.allow_remote,
    )
