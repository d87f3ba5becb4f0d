"""The `llm` designer: asks a served model draft by draft. A draft that does not come is reported, never invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nullalpha.agents.designer import design_with_model
from nullalpha.agents.drafts import behaviour_of
from nullalpha.agents.port import DesignContext, Proposal, ProposalFailure
from nullalpha.core.errors import ModelAnswerError
from nullalpha.core.fingerprint import derive_seed
from nullalpha.llm.calls import CallRecord, Complete
from nullalpha.llm.endpoint import ModelEndpoint


@dataclass(frozen=True)
class LanguageDesigner:
    """A designer over one model.

    Attributes:
        complete: the call to a model, `nullalpha.llm.client.complete`.
        record: given the record of every call.
        on_failure: given each proposal that did not come, with its reason.
        max_calls_each: calls for one proposal before it counts as failed.
    """

    complete: Complete
    endpoint: ModelEndpoint
    record: Callable[[CallRecord], None]
    on_failure: Callable[[ProposalFailure], None]
    max_calls_each: int = 2

    @property
    def name(self) -> str:
        return "llm"

    def propose(self, context: DesignContext, n: int) -> list[Proposal]:
        """Return up to `n` proposals; each one missing has gone to `on_failure`.

        Raises:
            ModelUnavailableError: as soon as the server does not answer; nothing of this call is kept.
        """
        proposals: list[Proposal] = []
        for index in range(n):
            outcome = self._one(context, index, proposals)
            if isinstance(outcome, Proposal):
                proposals.append(outcome)
            else:
                self.on_failure(outcome)
        return proposals

    def _one(self, context: DesignContext, index: int, proposals: list[Proposal]) -> Proposal | ProposalFailure:
        siblings = [proposal.draft for proposal in proposals]
        taken = {behaviour_of(draft) for draft in siblings}
        reasons = []
        for call in range(self.max_calls_each):
            seed = derive_seed("llm designer", context.campaign_seed, context.generation, context.attempt, index, call)
            try:
                answer = design_with_model(context, self.complete, endpoint=self.endpoint, record=self.record, siblings=siblings, seed=seed)
            except ModelAnswerError as error:
                reasons.append(error.message)
                continue
            if behaviour_of(answer.value) not in taken:
                return Proposal(answer.value, {}, f"written by {self.endpoint.model} in {answer.record.attempts} attempts")
            reasons.append("the model repeated a draft that it had just given")
        return ProposalFailure(index, "; ".join(reasons))
