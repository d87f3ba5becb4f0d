"""Where a model is served and the limits of one call; refuses an endpoint outside the user's own machines.

An address is judged as written, never by a name look-up: a look-up would itself leave the machine, and its answer could change
between the check and the connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from nullalpha.core.errors import RefusedError, SettingsError, nearest

PROVIDERS = ("openai", "hosted_vllm", "ollama_chat")
NEAR_NETWORKS = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)


@dataclass(frozen=True)
class ModelEndpoint:
    """One served model.

    Attributes:
        model: `openai/NAME` (any server with OpenAI's chat endpoint, such as llama.cpp), `hosted_vllm/NAME` or `ollama_chat/NAME`.
        api_base: e.g. `http://127.0.0.1:8080/v1`; for `ollama_chat` without a path, `http://127.0.0.1:11434`.
        api_key_env: the environment variable that holds the key; None when the server asks for none.
        context_tokens: the context that the model is served with, prompt and answer together.
        answer_tokens: the most that one answer may take of it.
        deadline_seconds: wall clock for a whole call, repairs and waiting included.
        temperature: of sampling.
        max_faults: how often one call tries again after the server failed.
        backoff_seconds: the wait after the first failure; it doubles with each.
        allow_remote: True lets prompts leave the user's own machines.

    Raises:
        SettingsError: for an unknown provider, a malformed address or a limit out of range.
    """

    model: str
    api_base: str
    api_key_env: str | None = None
    context_tokens: int = 8192
    answer_tokens: int = 2048
    deadline_seconds: float = 300.0
    temperature: float = 0.7
    max_faults: int = 4
    backoff_seconds: float = 0.5
    allow_remote: bool = False

    def __post_init__(self) -> None:
        provider, _, name = self.model.partition("/")
        if provider not in PROVIDERS or not name:
            near = nearest(provider, PROVIDERS) or PROVIDERS[0]
            raise SettingsError(
                f"model {self.model!r} names no known kind of server; it begins with one of {', '.join(p + '/' for p in PROVIDERS)}",
                path="model",
                value=self.model,
                suggestion=f"write {near}/{name or self.model}",
            )
        if self.deadline_seconds <= 0 or self.max_faults < 0 or self.backoff_seconds < 0:
            raise SettingsError("deadline_seconds must be positive, max_faults and backoff_seconds not negative", path="model")
        if not 0 < self.answer_tokens < self.context_tokens:
            raise SettingsError(
                f"answer_tokens is {self.answer_tokens}, but must be above 0 and below context_tokens ({self.context_tokens})",
                path="answer_tokens",
                value=self.answer_tokens,
            )
        host_of(self.api_base)

    @property
    def provider(self) -> str:
        """The part of `model` before the first slash."""
        return self.model.partition("/")[0]

    def api_key(self) -> str:
        """Return the key, read from the environment now and kept nowhere; a placeholder when the server asks for none.

        Raises:
            SettingsError: if the named variable is not set.
        """
        if self.api_key_env is None:
            return "none"
        key = os.environ.get(self.api_key_env)
        if not key:
            raise SettingsError(
                f"the environment variable {self.api_key_env} that should hold the key of {self.model} is not set",
                path="api_key_env",
                value=self.api_key_env,
                suggestion=f"export {self.api_key_env}=... or leave the key out",
            )
        return key


def host_of(api_base: str) -> str:
    """Return the host of an endpoint's address, lower case.

    Raises:
        SettingsError: if it is no http(s) address, or carries a user name or password.
    """
    try:
        parts = urlsplit(api_base)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(
            f"api_base {api_base!r} is no http address", path="api_base", value=api_base, suggestion="write http://127.0.0.1:PORT/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "api_base carries a user name or password", path="api_base", suggestion="name an environment variable in api_key_env instead"
        )
    return host


def is_near(host: str) -> bool:
    """Return whether a host is this machine or a private address, judged as written."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in NEAR_NETWORKS)


def refuse_remote(endpoint: ModelEndpoint) -> None:
    """Let an endpoint pass if it is near or the user allowed remote ones.

    Raises:
        RefusedError: before anything is connected or looked up.
    """
    host = host_of(endpoint.api_base)
    if endpoint.allow_remote or is_near(host):
        return
    raise RefusedError(
        f"the model endpoint {endpoint.api_base} is not on this machine nor at a private address; prompts would leave your machines",
        path="api_base",
        value=endpoint.api_base,
        suggestion="give a private address in digits (names are not looked up), or set allow_remote",
    )
