import io
import sys

import pytest

from agentworld_dag.benchmark.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawings(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> int:
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar("answers", 3, "answer") as bar:
        for _ in range(3):
            bar.start_t -= 1.0
            bar.last_print_t -= 1.0  # a second goes by
            bar.update()
    return stderr.getvalue().count("answers")


def test_a_log_file_is_spared_the_drawings_a_terminal_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawings(monkeypatch, io.StringIO()) == 2
    assert drawings(monkeypatch, Terminal()) > 2


def test_nothing_to_do_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar("answers", 0, "answer"):
        pass
    assert stderr.getvalue() == ""
