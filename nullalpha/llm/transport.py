"""Requests to a model server through litellm: the only importer of that library (3 s; import this module only to call a model).

Everything that the library could do behind one's back is closed here: retries, proxies and keys from the environment, redirects, `./.env`,
and dropping the constraint of the answer's form. Its exceptions end here too.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from nullalpha.core.egress import close_egress
from nullalpha.core.errors import NullAlphaError, RefusedError
from nullalpha.llm.calls import Message
from nullalpha.llm.endpoint import ModelEndpoint, host_of, refuse_remote

close_egress()  # litellm reads ./.env and fetches a price list while it is imported, unless switched off before

import litellm  # noqa: E402
import openai  # noqa: E402
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler  # noqa: E402

_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai")
_LIBRARY_TALK = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception)\s*[:-]\s*)+")
# litellm maps most failures to openai's exceptions; an answer that is not the protocol's escapes as one of the others
_FAILURES = (openai.OpenAIError, httpx.HTTPError, OSError, ValueError, LookupError, TypeError, AttributeError)


class ServerFaultError(Exception):
    """A request that gave no answer.

    Attributes:
        kind: `again`: may work at once or soon; `gone`: needs someone (key, model name, address); `refused`: this request never works.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class RawAnswer:
    text: str
    cut_off: bool
    prompt_tokens: int | None
    completion_tokens: int | None


class _GuardedTransport(httpx.AsyncBaseTransport):
    """Lets a request pass only to the endpoint's own host, and only if it carries the schema of the answer."""

    def __init__(self, endpoint: ModelEndpoint) -> None:
        self._inner = httpx.AsyncHTTPTransport(retries=0)
        self._host = host_of(endpoint.api_base)
        self._model = endpoint.model
        self.refusal: NullAlphaError | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread() or b"{}")
        if request.url.host != self._host:
            self.refusal = RefusedError(
                f"a request to {request.url.host} was refused: the endpoint is {self._host}", value=request.url.host
            )
        elif not _carries_schema(body):
            self.refusal = RefusedError(
                f"the request to {self._model} lost its answer schema on the way; the answer would be unconstrained",
                value=self._model,
                suggestion="use another provider prefix for this server",
            )
        if self.refusal is not None:
            raise httpx.UnsupportedProtocol(self.refusal.message, request=request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _carries_schema(body: dict[str, Any]) -> bool:
    form = body.get("response_format")
    openai_form = isinstance(form, dict) and form.get("type") == "json_schema" and bool(form.get("json_schema", {}).get("schema"))
    return openai_form or isinstance(body.get("format"), dict)


class Session:
    """An open line to one model server; answers one request at a time."""

    def __init__(self, endpoint: ModelEndpoint, client: object, guard: _GuardedTransport) -> None:
        self._endpoint = endpoint
        self._client = client
        self._guard = guard

    async def ask(self, messages: Sequence[Message], schema: dict[str, Any], *, seed: int, max_tokens: int) -> RawAnswer:
        """Send a conversation and return the model's text.

        Raises:
            ServerFaultError: if no answer came.
            RefusedError: if the request would have gone elsewhere or without its schema.
        """
        endpoint = self._endpoint
        try:
            response = await litellm.acompletion(
                model=endpoint.model,
                api_base=endpoint.api_base,
                api_key=endpoint.api_key(),
                messages=[asdict(message) for message in messages],
                response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
                drop_params=False,
                seed=seed,
                temperature=endpoint.temperature,
                max_tokens=max_tokens,
                timeout=endpoint.deadline_seconds,
                max_retries=0,
                num_retries=0,
                client=self._client,
                input_cost_per_token=0.0,  # priced, so that litellm asks no server for a price
                output_cost_per_token=0.0,
                **_own_options(endpoint),
            )
            return _raw_answer(response)
        except _FAILURES as error:
            if self._guard.refusal is not None:
                raise self._guard.refusal from None
            raise _fault(error) from error


@asynccontextmanager
async def open_session(endpoint: ModelEndpoint) -> AsyncIterator[Session]:
    """Open a line to an endpoint; closed on the way out, also when cancelled.

    Raises:
        RefusedError: for an endpoint outside the user's machines, unless allowed.
        SettingsError: if its key is not in the environment.
    """
    refuse_remote(endpoint)
    _quieten()
    guard = _GuardedTransport(endpoint)
    if endpoint.provider == "openai":
        http = httpx.AsyncClient(transport=guard, trust_env=False, follow_redirects=False)
        client: Any = openai.AsyncOpenAI(api_key=endpoint.api_key(), base_url=endpoint.api_base, http_client=http, max_retries=0)
    else:
        client = AsyncHTTPHandler(transport=guard, follow_redirects=False)
    try:
        yield Session(endpoint, client, guard)
    finally:
        await client.close()


def _quieten() -> None:
    """Keep litellm's notices and pydantic's warnings about its types off the user's terminal; faults are told by our own errors."""
    litellm.suppress_debug_info = True
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydantic\.")


def _own_options(endpoint: ModelEndpoint) -> dict[str, Any]:
    """Ollama serves 4,096 tokens unless told; for the others litellm drops what its table of models does not list unless told."""
    if endpoint.provider == "ollama_chat":
        return {"num_ctx": endpoint.context_tokens}
    return {"allowed_openai_params": ["response_format", "seed", "temperature", "max_tokens"]}


def _raw_answer(response: Any) -> RawAnswer:
    choice = response.choices[0]
    content = choice.message.content
    if content is not None and not isinstance(content, str):
        raise TypeError(f"the message's content is a {type(content).__name__}, not text")
    usage = getattr(response, "usage", None)
    return RawAnswer(
        text=content or "",
        cut_off=choice.finish_reason == "length",
        prompt_tokens=getattr(usage, "prompt_tokens", None) or None,
        completion_tokens=getattr(usage, "completion_tokens", None) or None,
    )


def _fault(error: BaseException) -> ServerFaultError:
    status = getattr(error, "status_code", None)
    told = _LIBRARY_TALK.sub("", " ".join(str(error).split())).partition(" Traceback (most")[0][:200] or type(error).__name__
    if isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError):
        return ServerFaultError("again", f"no connection, or no answer of the protocol: {told}")
    if status in (401, 403):
        return ServerFaultError("gone", f"it refuses the key ({status})")
    if status == 404:
        return ServerFaultError("gone", f"it has no such model or path (404): {told}")
    if status in (400, 413, 422):
        return ServerFaultError("refused", f"it refuses this request ({status}): {told}")
    return ServerFaultError("again", told if status is None else f"it failed ({status}): {told}")
