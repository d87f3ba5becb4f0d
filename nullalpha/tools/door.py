"""The tool door: arguments validated closed, the call audited with its actor, the answer typed; nothing else leaves a tool."""

from __future__ import annotations

import inspect
import time
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from nullalpha.core.complaints import complaint, shown
from nullalpha.core.errors import Issue, NotFoundError, NullAlphaError, UsageError, nearest
from nullalpha.tools.desk import Desk

Scope = Literal["read", "run", "admin"]
Cost = Literal["instant", "seconds", "minutes"]
MAX_TEXT = 100_000
"""Characters in any one text; texts that UTF-8 cannot hold are refused with it."""
MAX_PATH = 200


class ArgumentsError(UsageError):
    """A tool was called with arguments that it does not take; `issues` names each."""

    code = "invalid_arguments"

    def __init__(self, tool: str, issues: list[Issue]) -> None:
        first = issues[0]
        super().__init__(f"{tool}: {first.message}", path=first.path, value=first.value, suggestion=first.suggestion)
        self.issues = tuple(issues)

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "errors": [asdict(issue) for issue in self.issues]}


@dataclass(frozen=True)
class Tool:
    """A capability. Its docstring is what a model reads; its signature, less the desk, is its schema.

    Attributes:
        touches_home: False for tools that only read what they are given: they work without a home and are not audited in one.
    """

    name: str
    function: Callable[..., BaseModel]
    scope: Scope
    cost: Cost
    idempotent: bool
    touches_home: bool
    arguments: type[BaseModel]
    result: type[BaseModel]

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")


def tool(
    function: Callable[..., BaseModel], *, scope: Scope = "read", cost: Cost = "instant", idempotent: bool = True, touches_home: bool = True
) -> Tool:
    """Make a tool of a function `(desk, *, arguments...) -> Model`."""
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints[name], default)
    arguments = create_model(f"{function.__name__}_arguments", __config__=ConfigDict(extra="forbid", str_max_length=MAX_TEXT), **fields)
    return Tool(function.__name__, function, scope, cost, idempotent, touches_home, arguments, hints["return"])


class ToolDoor:
    """The one way in. Every call through it is validated and, where it touches the home, audited."""

    def __init__(self, tools: Mapping[str, Tool], desk: Desk) -> None:
        self.tools = tools
        self._desk = desk

    def call(self, name: str, arguments: Mapping[str, Any]) -> BaseModel:
        """Call a tool by name.

        Raises:
            NotFoundError: for an unknown tool, with the nearest.
            ArgumentsError: for arguments that its schema does not take.
            NullAlphaError: whatever the tool itself raises, typed.
        """
        if name not in self.tools:
            near = nearest(name, list(self.tools))
            raise NotFoundError(f"no tool {name!r}", path="tool", value=name, suggestion=f"did you mean {near}?" if near else None)
        called = self.tools[name]
        began = time.monotonic()
        outcome = "unexpected"
        try:
            answer = called.function(self._desk, **self._validated(called, arguments))
            outcome = "ok"
            return answer
        except NullAlphaError as error:
            outcome = error.code
            raise
        finally:
            if called.touches_home and outcome != "home":
                self._desk.stores.audit.tool_call(
                    actor=self._desk.actor, tool=name, arguments=_short(arguments), outcome=outcome, seconds=time.monotonic() - began
                )

    def _validated(self, called: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            parsed = called.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            known = list(called.arguments.model_fields)
            issues = []
            for item in error.errors():
                path = ".".join(str(part) for part in item["loc"])[:MAX_PATH]
                near = nearest(path, known) if item["type"] == "extra_forbidden" else None
                takes = f"did you mean {near}?" if near else f"it takes: {', '.join(known) or 'no arguments'}"
                value = None if item["type"] == "missing" else shown(item["input"])
                issues.append(Issue(path, item["type"], complaint(item, path), value, takes))
            raise ArgumentsError(called.name, issues) from error
        return {name: getattr(parsed, name) for name in called.arguments.model_fields}


def _short(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key)[:64]: value if isinstance(value, int | float | bool | None) else str(value)[:500] for key, value in arguments.items()}
