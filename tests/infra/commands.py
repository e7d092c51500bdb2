"""Whether a command line is one that its program takes: asked of the program's own parser, which runs nothing."""

from collections.abc import Sequence
from importlib import import_module

import click

PROGRAMS = {
    "dagster": "dagster._cli",
    "dagster-daemon": "dagster._daemon.cli",
    "dagster-webserver": "dagster_webserver.cli",
    "mlflow": "mlflow.cli",
}


def check_command(command: Sequence[str]) -> None:
    """Raises click.UsageError on an unknown command, option or argument; Python's own command lines pass."""
    program, *rest = command
    if program == "python":
        return
    found: click.Command | None = import_module(PROGRAMS[program]).cli
    while isinstance(found, click.Group):
        _, found, rest = found.resolve_command(click.Context(found), rest)
    assert found is not None
    found.make_parser(click.Context(found)).parse_args(list(rest))
