"""The audit trail: every tool call with its actor, every model call with its texts' record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.tables import llm_calls, tool_calls


class AuditStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def tool_call(self, *, actor: str, tool: str, arguments: Mapping[str, Any], outcome: str, seconds: float) -> None:
        """Record one call of a tool: `outcome` is `ok` or an error's code."""
        with self._ledger.write() as connection:
            connection.execute(
                tool_calls.insert().values(
                    time=now_text(), actor=actor, tool=tool, arguments=dict(arguments), outcome=outcome, seconds=seconds
                )
            )

    def model_call(self, campaign_id: str | None, body: Mapping[str, Any]) -> None:
        """Record one call of a language model."""
        with self._ledger.write() as connection:
            connection.execute(llm_calls.insert().values(campaign_id=campaign_id, time=now_text(), body=dict(body)))

    def tool_calls(self) -> list[dict[str, Any]]:
        with self._ledger.read() as connection:
            return [dict(row) for row in connection.execute(select(tool_calls).order_by(tool_calls.c.seq)).mappings().all()]

    def model_calls(self, campaign_id: str | None = None) -> list[dict[str, Any]]:
        query = select(llm_calls).order_by(llm_calls.c.seq)
        if campaign_id is not None:
            query = query.where(llm_calls.c.campaign_id == campaign_id)
        with self._ledger.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings().all()]
