"""A turn that is interrupted."""

import signal
import sys
from pathlib import Path

import pytest

from agentworld_dag.acceptance.loop import turned
from agentworld_dag.home import Home

TIDY = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(1)
    pathlib.Path(sys.argv[1]).touch()
"""
"""Interrupts who started it, and has something to put away when it is interrupted itself."""


def test_an_interrupted_turn_is_waited_for(tmp_path: Path) -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            turned([sys.executable, "-c", TIDY, str(tmp_path / "put away")], Home(tmp_path / "home"), tmp_path / "log")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (tmp_path / "put away").exists()
