"""A tool of the registry as MCP lists it: name, text, schemas of arguments and result, and hints."""

from __future__ import annotations

from typing import Any

from mcp import types
from pydantic.json_schema import GenerateJsonSchema

from nullalpha.mcp.answers import SHORTENED, SHORTENED_SCHEMA
from nullalpha.tools.door import Tool


class _Untitled(GenerateJsonSchema):
    """Schemas without a title that repeats each field's name: a model reads every word of the list."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def describe(tool: Tool) -> types.Tool:
    """Return the entry of one tool. `admin` tools have none: the caller leaves them out."""
    return types.Tool(
        name=tool.name,
        description=tool.description,
        inputSchema=tool.arguments.model_json_schema(schema_generator=_Untitled),
        outputSchema=_result_schema(tool),
        annotations=types.ToolAnnotations(
            readOnlyHint=tool.scope == "read",
            destructiveHint=False,
            idempotentHint=tool.idempotent,
            openWorldHint=False,
        ),
    )


def _result_schema(tool: Tool) -> dict[str, Any]:
    schema = tool.result.model_json_schema(mode="serialization", by_alias=True, schema_generator=_Untitled)
    return {**schema, "properties": {**schema.get("properties", {}), SHORTENED: SHORTENED_SCHEMA}}
