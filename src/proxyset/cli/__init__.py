"""The command line."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from proxyset.cli.names import Commands
from proxyset.cli.output import note
from proxyset.console import INTERRUPTED, command
from proxyset.errors import ProxysetError, Refused

# typer carries click inside since 0.25 and names only this one of its exceptions; the others are its bases
_UsageError: Any = typer.BadParameter.__mro__[1]
_ClickException: Any = typer.BadParameter.__mro__[2]

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train on a public proxy of data that must not leave its owner.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"proxyset {version('proxyset')}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Options of every command; `run` has taken --debug before this, wherever it stood."""


def run(arguments: list[str], commands: typer.Typer = app, name: str = "proxyset") -> int:
    """Run one command, of this command line or of another one with the same manners, and return its exit status."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        status = commands(arguments, prog_name=name, standalone_mode=False)
    except _UsageError as error:
        error.show(sys.stderr)
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        return _fail("stopped", INTERRUPTED)
    except _ClickException as error:
        return _fail(error.format_message(), FAILED)
    except Refused as error:
        return _fail(str(error), REFUSED, debug, "refused")
    except (ProxysetError, OSError) as error:
        return _fail(_message(error), FAILED, debug)
    except MemoryError:
        return _fail(
            "out of memory: use fewer --workers or --clusters, or a machine with more", FAILED, debug
        )
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug gets one line too
        return _fail(f"{type(error).__name__}: {error}. This is a bug; --debug shows where", FAILED, debug)
    if status == INTERRUPTED:  # what typer makes of Ctrl-C, without a word
        return _fail("stopped", INTERRUPTED)
    return status if isinstance(status, int) else DONE


def main() -> NoReturn:
    """The `proxyset` command; its entry point is `proxyset.__main__`, which an interrupt finds ready sooner."""
    command(__name__)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ProxysetError) and error.strerror:
        return f"{error.filename or 'input/output'}: {error.strerror}"
    return str(error)


def _fail(message: str, status: int, debug: bool = False, word: str = "error") -> int:
    if debug:
        note(traceback.format_exc().rstrip("\n"))
    note(f"{word}: {message}")
    return status
