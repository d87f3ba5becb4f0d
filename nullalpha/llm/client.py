"""One typed call to a language model: constrained decoding, validation, bounded repair, one wall-clock deadline.

The answer's JSON Schema goes to the server as a constraint and into the prompt as text, because servers ignore, lose or only half hold the
constraint. A refused answer is repaired in the same conversation, with the validator's own errors. Importing this module imports
litellm; do it only where a model is used.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from nullalpha.core.errors import ModelAnswerError, ModelUnavailableError, NullAlphaError, SettingsError
from nullalpha.core.fingerprint import derive_seed, sha256_hex
from nullalpha.llm.answers import answer_schema, complaint_text, read_answer
from nullalpha.llm.calls import Answer, CallRecord, Completion, Exchange, Message, Outcome, Prompt
from nullalpha.llm.deadline import run_within
from nullalpha.llm.endpoint import ModelEndpoint, refuse_remote
from nullalpha.llm.transport import RawAnswer, ServerFaultError, Session, open_session

CHARACTERS_PER_TOKEN = 3.5
MIN_ANSWER_TOKENS = 64


@dataclass
class _Call:
    """What happens during one call; filled by the call's own thread, read after it."""

    endpoint: ModelEndpoint
    seed: int
    messages: list[Message]
    exchanges: list[Exchange] = field(default_factory=list)

    def note(self, answer: RawAnswer | None, problem: str | None) -> None:
        if answer is None:
            self.exchanges.append(Exchange(None, problem))
        else:
            self.exchanges.append(Exchange(answer.text, problem, answer.prompt_tokens, answer.completion_tokens))


def complete(
    prompt: Prompt,
    returns: type[Answer],
    *,
    endpoint: ModelEndpoint,
    seed: int,
    record: Callable[[CallRecord], None],
    max_repairs: int = 3,
) -> Completion[Answer]:
    """Ask a model for one value of a pydantic type.

    Args:
        prompt: text, or a conversation that ends with a user's message; the schema is appended to its last message.
        returns: the type of the answer; keep numbers to bounded integers, which grammars can hold.
        endpoint: who is asked, and the limits.
        seed: of sampling; each further attempt derives its own.
        record: given one record of the call, whatever its outcome, in the caller's thread.
        max_repairs: refused answers that are sent back.

    Raises:
        RefusedError: the endpoint is not on the user's machines; nothing was connected.
        SettingsError: the key is not set, or the prompt does not fit the model's context.
        ModelUnavailableError: the server refuses, hangs, fails or is gone, within the deadline.
        ModelAnswerError: answers came, none valid within the repairs and the deadline.
    """
    refuse_remote(endpoint)
    messages = _with_schema(prompt, json.dumps(answer_schema(returns), separators=(",", ":")))
    _room_for_answer(messages, endpoint)
    call = _Call(endpoint, seed, messages)
    started = time.monotonic()
    outcome: Outcome = "cancelled"
    failure: str | None = None
    try:
        value = run_within(lambda: _converse(call, returns, max_repairs), endpoint.deadline_seconds)
        outcome = "ok" if len(call.exchanges) == 1 else "repaired"
    except TimeoutError:
        error = _late(call)
        call.note(None, "no answer when the deadline came")
        outcome, failure = _outcome_of(error), error.message
        raise error from None
    except NullAlphaError as error:
        outcome, failure = _outcome_of(error), error.message
        raise
    finally:
        kept = _record_of(call, time.monotonic() - started, outcome, failure)
        record(kept)
    return Completion(value, kept)


async def _converse(call: _Call, returns: type[Answer], max_repairs: int) -> Answer:
    schema = answer_schema(returns)
    messages, refused = call.messages, 0
    async with open_session(call.endpoint) as session:
        while True:
            answer = await _ask_patiently(session, call, messages, schema)
            reading = read_answer(answer.text, returns)
            if reading.value is not None:
                call.note(answer, None)
                return reading.value
            call.note(answer, "; ".join(reading.complaints))
            if refused == max_repairs:
                raise ModelAnswerError(
                    f"{call.endpoint.model} gave no valid answer in {refused + 1} tries; the last: {reading.complaints[0]}",
                    value=answer.text,
                    suggestion="use a larger model, or one whose server holds answers to a JSON schema",
                )
            refused += 1
            messages = _with_complaint(call, messages, answer, complaint_text(reading.complaints, answer.cut_off))


async def _ask_patiently(session: Session, call: _Call, messages: Sequence[Message], schema: dict[str, object]) -> RawAnswer:
    """Ask, and after a fault of the server wait and ask again; every attempt of the call has its own seed."""
    endpoint = call.endpoint
    for fault_count in range(endpoint.max_faults + 1):
        attempt = len(call.exchanges)
        seed = call.seed if attempt == 0 else derive_seed("model call", call.seed, attempt)
        try:
            return await session.ask(messages, schema, seed=seed, max_tokens=_room_for_answer(messages, endpoint))
        except ServerFaultError as fault:
            call.note(None, fault.message)
            if fault.kind == "refused":
                raise ModelAnswerError(
                    f"{endpoint.model} at {endpoint.api_base}: {fault.message}", suggestion="see the server's log"
                ) from fault
            if fault.kind == "gone" or fault_count == endpoint.max_faults:
                raise ModelUnavailableError(
                    f"{endpoint.model} at {endpoint.api_base} gave no answer: {fault.message}",
                    value=endpoint.api_base,
                    suggestion="check that the server runs and serves this model",
                ) from fault
        await asyncio.sleep(endpoint.backoff_seconds * 2**fault_count)
    raise AssertionError("the loop above returns or raises")


def _with_schema(prompt: Prompt, schema: str) -> list[Message]:
    messages = [Message("user", prompt)] if isinstance(prompt, str) else list(prompt)
    if not messages or messages[-1].role != "user":
        raise ValueError("a prompt ends with a user's message")
    tail = f"\n\nAnswer with ONE JSON object, and nothing else, that is valid against this JSON Schema:\n{schema}\n"
    return [*messages[:-1], Message("user", messages[-1].content + tail)]


def _with_complaint(call: _Call, messages: list[Message], answer: RawAnswer, complaint: str) -> list[Message]:
    """Continue the conversation; when it grows too long, keep its beginning and the last exchange."""
    if not answer.text.strip():
        return messages
    exchange = [Message("assistant", answer.text), Message("user", complaint)]
    limit = call.endpoint.context_tokens - call.endpoint.answer_tokens
    for beginning in (messages, call.messages):
        if _tokens([*beginning, *exchange]) <= limit:
            return [*beginning, *exchange]
    return call.messages


def _tokens(messages: Sequence[Message]) -> int:
    return int(sum(len(message.content) for message in messages) / CHARACTERS_PER_TOKEN) + 8 * len(messages)


def _room_for_answer(messages: Sequence[Message], endpoint: ModelEndpoint) -> int:
    """Return how many tokens an answer may take; the prompt's own length is estimated."""
    prompt = _tokens(messages)
    room = min(endpoint.answer_tokens, endpoint.context_tokens - prompt)
    if room < MIN_ANSWER_TOKENS:
        raise SettingsError(
            f"the prompt takes about {prompt} of {endpoint.model}'s {endpoint.context_tokens} tokens and leaves no room for an answer",
            path="context_tokens",
            value=endpoint.context_tokens,
            suggestion="serve the model with a longer context and say so in context_tokens",
        )
    return room


def _late(call: _Call) -> NullAlphaError:
    endpoint, answers = call.endpoint, [exchange for exchange in call.exchanges if exchange.response is not None]
    within = f"within {endpoint.deadline_seconds:g} s"
    if answers:
        return ModelAnswerError(
            f"{endpoint.model} gave no valid answer {within}; the last: {answers[-1].problem}", value=answers[-1].response
        )
    problem = call.exchanges[-1].problem if call.exchanges else "it hangs"
    return ModelUnavailableError(
        f"{endpoint.model} at {endpoint.api_base} gave no answer {within}: {problem}",
        value=endpoint.api_base,
        suggestion="check the server, or allow more deadline_seconds",
    )


def _outcome_of(error: NullAlphaError) -> Outcome:
    return "invalid" if isinstance(error, ModelAnswerError) else "unavailable"


def _record_of(call: _Call, seconds: float, outcome: Outcome, error: str | None) -> CallRecord:
    request = json.dumps([asdict(message) for message in call.messages], ensure_ascii=False)
    exchanges = tuple(call.exchanges)
    return CallRecord(
        model=call.endpoint.model,
        api_base=call.endpoint.api_base,
        seed=call.seed,
        prompt_sha256=sha256_hex(request),
        request=request,
        exchanges=exchanges,
        prompt_tokens=_sum([exchange.prompt_tokens for exchange in exchanges]),
        completion_tokens=_sum([exchange.completion_tokens for exchange in exchanges]),
        seconds=seconds,
        outcome=outcome,
        error=error,
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
