"""The designer over a real llama.cpp server with a tiny random model: its constrained answers are drafts of the language."""

from __future__ import annotations

from pathlib import Path

from nullalpha.agents.language import LanguageDesigner
from nullalpha.agents.port import ProposalFailure
from nullalpha.llm.calls import CallRecord
from nullalpha.llm.client import complete
from nullalpha.llm.endpoint import ModelEndpoint
from nullalpha.strategy.drafting import constrained_draft
from tests.support.design import design_context
from tests.support.tiny_model import tiny_model_server


def test_a_real_server_designs_over_the_contexts_own_words(tmp_path: Path) -> None:
    context = design_context()
    failures: list[ProposalFailure] = []
    records: list[CallRecord] = []
    with tiny_model_server(tmp_path) as model:
        endpoint = ModelEndpoint("openai/tiny", model.api_base, deadline_seconds=120.0, backoff_seconds=0.05)
        proposals = LanguageDesigner(complete, endpoint, records.append, failures.append).propose(context, 2)
    assert failures == []
    assert len(proposals) == 2
    closed = constrained_draft(context.vocabulary, context.instruments)
    for proposal in proposals:
        closed.model_validate(proposal.draft.model_dump())
    assert all(record.outcome in ("ok", "repaired") for record in records)
