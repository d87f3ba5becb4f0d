"""Every library's telemetry, download and update switch, set before any of them is imported."""

from __future__ import annotations

import os

EGRESS_SWITCHES: dict[str, str] = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OTEL_SDK_DISABLED": "true",
}

SAFETY_SWITCHES: dict[str, str] = {"LANGGRAPH_STRICT_MSGPACK": "true"}


def close_egress() -> None:
    """Set every switch in this process's environment; children inherit them."""
    os.environ.update(EGRESS_SWITCHES)
    os.environ.update(SAFETY_SWITCHES)
