"""What commands print: one JSON object on stdout with --json and nothing else; text for people on stderr or, as results, on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nullalpha.core.errors import NullAlphaError, SpecError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from nullalpha.app.lab import Lab

Home = Annotated[Path | None, typer.Option("--home", help="The lab's folder; default $NULLALPHA_HOME or ~/.nullalpha.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]

PIPE_WIDTH = 240
_ON_THE_COMMAND_LINE = (
    {"k": "-k", "document": "FILE", "campaign_id": "the campaign", "max_rows": "--rows", "columns": "--column"}
    | {
        "from_date": "--from",
        "to_date": "--to",
        "path": "--signal",
    }
    | {name: name.upper() for name in ("id", "ids", "query", "instrument", "target", "sql")}
)
"""What arguments of tools are called on the command line, where that is not `--name`."""


def open_lab(home: Path | None) -> Lab:
    """Return the lab at `home` or at the default place."""
    from nullalpha.app.lab import Lab
    from nullalpha.core.settings import default_home

    return Lab(home or default_home())


def call(lab: Lab, tool: str, **arguments: Any) -> Any:
    """Call a tool as the person at this terminal; files may lie anywhere that the person can read.

    Raises:
        UsageError: for an argument that the tool does not take, by the name that it has on the command line.
        NullAlphaError: whatever else the tool raises.
    """
    from nullalpha.tools.door import ArgumentsError

    try:
        return lab.door("cli", person=True, path_root=Path("/")).call(tool, {k: v for k, v in arguments.items() if v is not None})
    except ArgumentsError as error:
        issue = error.issues[0]
        name = issue.path.split(".")[0]
        where = _ON_THE_COMMAND_LINE.get(name, f"--{name.replace('_', '-')}")
        raise UsageError(issue.message.replace(issue.path, where, 1), path=where, value=issue.value, suggestion="see --help") from error


@contextmanager
def audited(lab: Lab, tool: str, **arguments: Any) -> Iterator[None]:
    """Record what a person does here that no tool of the registry does: hosting, promoting, taking in bars."""
    began, outcome = time.monotonic(), "unexpected"
    try:
        yield
        outcome = "ok"
    except NullAlphaError as error:
        outcome = error.code
        raise
    finally:
        if outcome != "home":
            seconds = time.monotonic() - began
            lab.stores.audit.tool_call(actor="cli", tool=tool, arguments=arguments, outcome=outcome, seconds=seconds)


def emit_json(model: BaseModel | dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    body = model if isinstance(model, dict) else model.model_dump(mode="json", by_alias=True)
    sys.stdout.write(json.dumps(body, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console() -> Console:
    """Return the console for people, on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def show(renderable: object) -> None:
    """Print a result for people on stdout; wide where no terminal says how wide, so that nothing is cut."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(renderable)


def fail(error: NullAlphaError) -> int:
    """Say what went wrong, where, and the nearest fix; return the exit code."""
    if "--json" in sys.argv or "--jsonl" in sys.argv:
        emit_json({"error": error.to_dict()})
        return error.exit_code
    lines = [f"error: {error.message}"]
    if isinstance(error, SpecError) and len(error.issues) > 1:
        lines = ["error: the strategy is not valid:"]
        for issue in error.issues:
            fix = f" ({issue.suggestion})" if issue.suggestion else ""
            lines.append(f"  {issue.path}: {issue.message}{fix}")
    elif error.suggestion:
        lines.append(f"  fix: {error.suggestion}")
    findings = getattr(error, "findings", ())
    lines += [f"  row {f.row} {f.time or ''} {f.code}: {f.message}" for f in findings[:20]]
    if len(findings) > 20:
        lines.append(f"  ... and {len(findings) - 20} more")
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_code


def read_file(path: Path) -> str:
    """Return a text file's content.

    Raises:
        NotFoundError, UsageError: if it is not there or is no text.
    """
    from nullalpha.core.errors import NotFoundError

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", path="file", value=path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", path="file", value=path) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", path="file", value=path) from error


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file; text as UTF-8.

    Raises:
        UsageError: if it cannot be written.
    """
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", path="file", value=path) from error


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure for people; a missing one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"
