"""What goes into a model call and what comes out of it. Frozen data; times in seconds, lengths in tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from nullalpha.llm.endpoint import ModelEndpoint

Answer = TypeVar("Answer", bound=BaseModel)
Role = Literal["system", "user", "assistant"]
Outcome = Literal["ok", "repaired", "invalid", "unavailable", "cancelled"]


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


Prompt = str | Sequence[Message]


@dataclass(frozen=True)
class Exchange:
    """One request within a call.

    Attributes:
        response: the model's text; None when the server gave none.
        problem: why it was not accepted; None when it was.
        prompt_tokens, completion_tokens: as the server counted; None when it did not say.
    """

    response: str | None
    problem: str | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class CallRecord:
    """One whole call, for the ledger; holds no key.

    Attributes:
        model, api_base: who was asked.
        prompt_sha256: of the messages as first sent.
        request: those messages as JSON.
        exchanges: every request of the call, in order.
        prompt_tokens, completion_tokens: summed over the exchanges that the server counted; None when it counted none.
        seconds: wall clock.
        outcome: `ok` at once, `repaired` after one or more refused answers, else what ended it.
        error: the message of the error that ended it.
        template, template_sha256: the prompt file that the messages were rendered from, where they were.
    """

    model: str
    api_base: str
    seed: int
    prompt_sha256: str
    request: str
    exchanges: tuple[Exchange, ...]
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    outcome: Outcome
    error: str | None
    template: str | None = None
    template_sha256: str | None = None

    @property
    def attempts(self) -> int:
        return len(self.exchanges)


@dataclass(frozen=True)
class Completion(Generic[Answer]):
    value: Answer
    record: CallRecord


class Complete(Protocol):
    """The one call to a model; `nullalpha.llm.client.complete` is the real one."""

    def __call__(
        self,
        prompt: Prompt,
        returns: type[Answer],
        *,
        endpoint: ModelEndpoint,
        seed: int,
        record: Callable[[CallRecord], None],
        max_repairs: int = 3,
    ) -> Completion[Answer]: ...
