"""What a stage script is told on its command line; a launcher writes it (`resources.script`), people may too."""

import argparse
from pathlib import Path

from agentworld_dag.rounds import FIRST_ROUND


def parser() -> argparse.ArgumentParser:
    """Of every stage script."""
    stage = argparse.ArgumentParser(description="Run one stage of the loop.")
    stage.add_argument("--config", type=Path, required=True, help="preset file")
    stage.add_argument("--round", default=FIRST_ROUND, help="later rounds have settings of their own")
    stage.add_argument("--seed", type=int, default=0)
    stage.add_argument("--out", type=Path, required=True, help="folder for the output; resumed when it exists")
    stage.add_argument("--input", type=_folder, action="append", default=[], metavar="NAME=DIR")
    stage.add_argument("--option", type=_pair, action="append", default=[], metavar="NAME=VALUE")
    return stage


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _folder(text: str) -> tuple[str, Path]:
    name, value = _pair(text)
    return name, Path(value)
