"""The `nullalpha` command: sub-commands, and the one handler that turns every error into a line and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 finished but a gate that the user asked for failed, 4 budget exhausted,
130 cancelled.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer import Abort, Exit, TyperException
from typer.core import TyperGroup

from nullalpha import __version__
from nullalpha.cli import data, experiments, memory, research, run, strategy, system
from nullalpha.cli.output import fail
from nullalpha.core.egress import close_egress
from nullalpha.core.errors import CancelledError, NullAlphaError, OperationError, UsageError


class _Commands(TyperGroup):
    """The commands; a Ctrl-C in one is an error like any other, where typer would end with nothing but a code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise CancelledError("cancelled") from interrupt


app = typer.Typer(
    name="nullalpha",
    cls=_Commands,
    help="A local-first research lab for trading strategies that presumes no alpha until the evidence says otherwise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(research.app, name="research")
app.add_typer(experiments.app, name="experiments")
app.add_typer(strategy.app, name="strategy")
app.add_typer(data.app, name="data")
app.add_typer(memory.app, name="memory")
app.command("backtest")(run.backtest)
app.command("train")(run.train)
app.command("doctor")(system.doctor)
app.command("mcp")(system.mcp)
app.command("supervise", hidden=True)(system.supervise)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit.")) -> None:
    close_egress()


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except Exit as stop:
        sys.exit(stop.exit_code)
    except (Abort, KeyboardInterrupt):
        sys.exit(fail(CancelledError("cancelled")))
    except TyperException as error:
        refused = _refused(error)  # without words when a group without a command has just printed its help
        sys.exit(fail(refused) if refused.message else UsageError.exit_code)
    except NullAlphaError as error:
        sys.exit(fail(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  (the door: whatever else happens becomes one line, with its trace on disk)
        sys.exit(fail(_internal(error)))


def _refused(error: TyperException) -> UsageError:
    """Return what the command line's parser refused, with the option and the value that was given to it."""
    parameter = getattr(error, "param", None)
    names = [error.option_name] if hasattr(error, "option_name") else list(getattr(parameter, "opts", []))
    path: str | None = max(names, key=len, default=None)
    if path is not None and not path.startswith("-"):
        path = path.upper()  # an argument, by its place
    return UsageError(error.format_message(), path=path, value=_given(names), suggestion="see --help")


def _given(names: list[str]) -> str | None:
    """Return what stands on the command line for an option."""
    for word, following in zip(sys.argv, [*sys.argv[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in names and name.startswith("-"):
            return value if equals else following
    return None


def _internal(error: Exception) -> NullAlphaError:
    import tempfile
    import traceback

    trace = Path(tempfile.gettempdir()) / f"nullalpha-{os.getpid()}.trace"
    trace.write_text("".join(traceback.format_exception(error)))
    return OperationError(
        f"an unexpected {type(error).__name__} stopped this command: {error}", suggestion=f"the trace is in {trace}; please report it"
    )
