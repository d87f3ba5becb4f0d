"""The call to a model against a scripted server on loopback that does everything wrong that servers were seen to do."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest
from pydantic import BaseModel, ConfigDict, Field

from nullalpha.core.errors import ModelAnswerError, ModelUnavailableError, NullAlphaError, RefusedError, SettingsError
from nullalpha.llm.calls import CallRecord, Completion, Message
from nullalpha.llm.client import complete
from nullalpha.llm.endpoint import ModelEndpoint
from tests.support.scripted_model import Reply, ScriptedModel, scripted_model

MODELS = ("openai/tiny", "hosted_vllm/tiny", "ollama_chat/tiny")
DEADLINE_SECONDS = 0.5
GOOD = '{"name": "x", "periods": [3]}'


class Idea(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    periods: list[int] = Field(min_length=1)


def endpoint_of(server: ScriptedModel, model: str = "openai/tiny", **changes: object) -> ModelEndpoint:
    base = server.base if model.startswith("ollama") else server.openai_base
    return ModelEndpoint(model, base, **{"deadline_seconds": DEADLINE_SECONDS, "backoff_seconds": 0.001, **changes})  # type: ignore[arg-type]


def ask(endpoint: ModelEndpoint, records: list[CallRecord], max_repairs: int = 3) -> Completion[Idea]:
    return complete("An idea, please.", Idea, endpoint=endpoint, seed=5, record=records.append, max_repairs=max_repairs)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("first", "n_requests"),
    [
        (Reply(GOOD), 1),
        (Reply(f"Sure! Here it is:\n```json\n{GOOD}\n```\nGood luck."), 1),
        (Reply("<think>{maybe}</think>" + GOOD), 1),
        (Reply('{"name": ["x"], "periods": [3]}'), 2),
        (Reply('{"name": "x", "per'), 2),
        (Reply('{"name": "x", "per', finish_reason="length"), 2),
        (Reply("", finish_reason="load"), 2),
        (Reply(None), 2),
        (Reply("I would rather not."), 2),
        (Reply("busy", status=503), 2),
        (Reply("output does not match expected peg-native format", status=500), 2),
        (Reply("slow down", status=429), 2),
        (Reply(html=True), 2),
        (Reply(html=True, status=502), 2),
        (Reply(malformed='{"choices": []}'), 2),
        (Reply(malformed="[1, 2]"), 2),
    ],
)
def test_one_bad_reply_is_survived(model: str, first: Reply, n_requests: int) -> None:
    records: list[CallRecord] = []
    with scripted_model([first, GOOD]) as server:
        answer = ask(endpoint_of(server, model, deadline_seconds=10.0), records)
    assert answer.value == Idea(name="x", periods=[3])
    assert records == [answer.record]
    assert (answer.record.attempts, len(server.requests)) == (n_requests, n_requests)
    assert answer.record.outcome == ("ok" if n_requests == 1 else "repaired")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("always", "error"),
    [
        (Reply(drip=True), ModelUnavailableError),
        (Reply(hang=True), ModelUnavailableError),
        (Reply(html=True), ModelUnavailableError),
        (Reply("busy", status=503), ModelUnavailableError),
        (Reply("who are you", status=401), ModelUnavailableError),
        (Reply("no such model", status=404), ModelUnavailableError),
        (Reply(malformed="nope"), ModelUnavailableError),
        (Reply(redirect="http://192.0.2.1/v1"), ModelUnavailableError),
        (Reply("unsupported schema", status=400), ModelAnswerError),
        (Reply(""), ModelAnswerError),
        (Reply('{"name": "x"'), ModelAnswerError),
        (Reply('{"name": ["x"], "periods": "many"}'), ModelAnswerError),
        (Reply('{"a":' * 20_000), ModelAnswerError),
    ],
)
def test_a_server_that_stays_bad_ends_in_a_typed_error_within_the_deadline(model: str, always: Reply, error: type[NullAlphaError]) -> None:
    records: list[CallRecord] = []
    started = time.monotonic()
    with scripted_model([always]) as server, pytest.raises(error) as caught:
        ask(endpoint_of(server, model), records)
    assert time.monotonic() - started < DEADLINE_SECONDS + 1.0
    assert type(caught.value) is error
    assert caught.value.suggestion
    assert "Traceback" not in caught.value.message
    assert records[0].error == caught.value.message
    assert records[0].outcome == ("unavailable" if error is ModelUnavailableError else "invalid")
    assert records[0].attempts >= 1


def test_a_server_that_refuses_connections_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = ModelEndpoint("openai/tiny", f"http://127.0.0.1:{taken.getsockname()[1]}/v1", deadline_seconds=5.0, backoff_seconds=0.01)
        with pytest.raises(ModelUnavailableError):
            ask(endpoint, [])


@pytest.mark.parametrize("name", ["tiny", "gpt-4", "gpt-4o", "some/unheard-of:7b"])
def test_the_schema_reaches_the_wire_for_any_name_of_a_model(name: str) -> None:
    with scripted_model([GOOD]) as server:
        for provider in ("openai", "hosted_vllm"):
            ask(endpoint_of(server, f"{provider}/{name}", deadline_seconds=10.0), [])
    for request in server.requests:
        assert request["model"] == name
        assert request["response_format"]["type"] == "json_schema"
        schema = request["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["periods"] == {"items": {"type": "integer"}, "minItems": 1, "type": "array"}
        assert (request["seed"], request["temperature"], request["max_tokens"]) == (5, 0.7, 2048)
        assert json.dumps(schema, separators=(",", ":")) in request["messages"][-1]["content"]


def test_ollama_is_asked_at_its_native_endpoint_with_the_schema_and_the_context_length() -> None:
    with scripted_model([GOOD]) as server:
        ask(endpoint_of(server, "ollama_chat/qwen", context_tokens=12_000, deadline_seconds=10.0), [])
    assert server.paths == ["/api/chat"]
    request = server.requests[0]
    assert request["format"]["required"] == ["name", "periods"]
    assert request["options"] == {"temperature": 0.7, "seed": 5, "num_ctx": 12_000, "num_predict": 2048}


def test_a_repair_goes_on_in_the_same_conversation_with_the_validators_own_words() -> None:
    with scripted_model(['{"name": ["trend"], "periods": [3], "note": 1}', GOOD]) as server:
        ask(endpoint_of(server), [])
    first, second = (request["messages"] for request in server.requests)
    assert second[:1] == first
    assert second[1] == {"role": "assistant", "content": '{"name": ["trend"], "periods": [3], "note": 1}'}
    assert "- name: Input should be a valid string (you wrote ['trend'])" in second[2]["content"]
    assert "- note: Extra inputs are not permitted (you wrote 1)" in second[2]["content"]
    assert server.requests[0]["seed"] != server.requests[1]["seed"]


def test_a_conversation_that_outgrows_the_context_keeps_its_beginning() -> None:
    long_answer = json.dumps({"name": ["x" * 3000], "periods": [3]})
    with scripted_model([long_answer, long_answer, GOOD]) as server:
        ask(endpoint_of(server, context_tokens=1600, answer_tokens=500, deadline_seconds=10.0), [])
    assert [len(request["messages"]) for request in server.requests] == [1, 3, 3]
    assert all(request["messages"][0] == server.requests[0]["messages"][0] for request in server.requests)


def test_repairs_are_bounded() -> None:
    records: list[CallRecord] = []
    with scripted_model(['{"name": 1}']) as server, pytest.raises(ModelAnswerError, match="3 tries"):
        ask(endpoint_of(server, deadline_seconds=10.0), records, max_repairs=2)
    assert len(server.requests) == 3
    assert [exchange.response for exchange in records[0].exchanges] == ['{"name": 1}'] * 3


def test_the_record_says_what_was_sent_received_and_spent_but_not_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_MODEL_KEY", "sesame-7")
    records: list[CallRecord] = []
    with scripted_model(["no", GOOD]) as server:
        ask(endpoint_of(server, api_key_env="LAB_MODEL_KEY"), records)
    assert server.headers[0]["Authorization"] == "Bearer sesame-7"
    record = records[0]
    assert json.loads(record.request) == server.requests[0]["messages"]
    assert [exchange.response for exchange in record.exchanges] == ["no", GOOD]
    assert (record.prompt_tokens, record.completion_tokens) == (22, 14)
    assert record.seconds > 0
    assert "sesame" not in repr(record)


def test_a_key_in_the_environment_of_another_service_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-yours")
    monkeypatch.setenv("OLLAMA_API_KEY", "not-yours")
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "not-yours")
    with scripted_model([GOOD]) as server:
        for model in MODELS:
            ask(endpoint_of(server, model, deadline_seconds=10.0), [])
    assert all("not-yours" not in json.dumps(headers) for headers in server.headers)


def test_a_proxy_in_the_environment_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_model([GOOD]) as proxy, scripted_model([GOOD]) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base)
        for model in MODELS:
            ask(endpoint_of(server, model, deadline_seconds=10.0), [])
    assert (len(proxy.requests), len(server.requests)) == (0, 3)


def test_a_missing_key_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_MODEL_KEY", raising=False)
    with scripted_model([GOOD]) as server, pytest.raises(SettingsError, match="LAB_MODEL_KEY"):
        ask(endpoint_of(server, api_key_env="LAB_MODEL_KEY"), [])
    assert server.requests == []


def test_a_remote_endpoint_is_refused_before_any_connection() -> None:
    records: list[CallRecord] = []
    with pytest.raises(RefusedError, match="leave your machines"):
        ask(ModelEndpoint("openai/tiny", "http://models.example.com/v1"), records)
    assert records == []


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused() -> None:
    with scripted_model([GOOD]) as server, pytest.raises(SettingsError, match="no room"):
        complete("long " * 2000, Idea, endpoint=endpoint_of(server, context_tokens=2100), seed=1, record=lambda _: None)
    assert server.requests == []


def test_a_call_works_from_within_a_running_event_loop_and_with_a_conversation() -> None:
    async def caller(endpoint: ModelEndpoint) -> Completion[Idea]:
        prompt = [Message("system", "Be brief."), Message("user", "An idea.")]
        return complete(prompt, Idea, endpoint=endpoint, seed=1, record=lambda _: None)

    with scripted_model([GOOD]) as server:
        assert asyncio.run(caller(endpoint_of(server, deadline_seconds=10.0))).value.name == "x"
    assert [message["role"] for message in server.requests[0]["messages"]] == ["system", "user"]
