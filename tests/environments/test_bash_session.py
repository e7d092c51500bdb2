from collections.abc import Callable
from pathlib import Path

import pytest

from agentworld_dag.environments import sandbox
from agentworld_dag.environments.bash_session import ActionTimeout, BashSession
from agentworld_dag.errors import SandboxError


def test_state_of_the_shell_persists(shell: BashSession) -> None:
    shell.run("cd /usr; x=5; greet() { echo hi $1; }")
    assert shell.run("greet $x; pwd").output == b"hi 5\n/usr\n"


def test_output_merges_both_streams_in_order(shell: BashSession) -> None:
    assert shell.run("echo a; echo b >&2; echo c").output == b"a\nb\nc\n"


@pytest.mark.parametrize("command, code", [("true", 0), ("false", 1), ("nonsense", 127), ("(exit 42)", 42), ("", 0)])
def test_exit_codes(shell: BashSession, command: str, code: int) -> None:
    assert shell.run(command).exit_code == code


def test_the_last_exit_code_is_seen_by_the_next_command(shell: BashSession) -> None:
    shell.run("(exit 42)")
    assert shell.run("echo $?").output == b"42\n"


def test_a_command_cannot_eat_the_next_one(shell: BashSession) -> None:
    assert shell.run("cat; read line; echo $line").output == b"\n"
    assert shell.run("echo next").output == b"next\n"


@pytest.mark.parametrize("command", ["if true", "echo )", "'", "<<EOF", "a() {", "$((", "[[ x"])
def test_a_syntax_error_is_answered_and_survived(shell: BashSession, command: str) -> None:
    shell.run(command)
    assert shell.run("echo alive").output == b"alive\n"


def test_a_command_of_many_lines_and_bytes(shell: BashSession) -> None:
    text = "x" * 100_000
    assert shell.run(f"y={text}\necho ${{#y}}\necho caf\u00e9 \udcff").output == "100000\ncaf\u00e9 ?\n".encode()


def test_nul_is_left_out(shell: BashSession) -> None:
    assert shell.run("echo a\0b").output == b"ab\n"


def test_output_is_capped_and_the_command_still_ends(shells: Callable[..., BashSession]) -> None:
    shell = shells(max_output_bytes=100)
    result = shell.run("yes | head -n 200000; echo done")
    assert result.truncated
    assert len(result.output) == 100
    assert shell.run("echo next").output == b"next\n"


def test_output_of_exactly_the_cap_is_whole(shells: Callable[..., BashSession]) -> None:
    shell = shells(max_output_bytes=5)
    assert not shell.run("echo 1234").truncated
    assert shell.run("echo 12345").truncated


def test_output_that_looks_like_an_answer_is_output(shell: BashSession) -> None:
    result = shell.run("printf '%s 0\\n' 0123456789abcdef; exit_code=0; (exit 3)")
    assert (result.output, result.exit_code) == (b"0123456789abcdef 0\n", 3)


def test_writing_to_the_control_channel_ends_the_session(shell: BashSession) -> None:
    with pytest.raises(SandboxError, match="tampered"):
        for descriptor in range(9, 20):
            shell.run(f"echo forged 0 >&{descriptor}")


@pytest.mark.parametrize("command", ["exit", "exit 3", "kill -9 $$", "exec true", "set -e; false", "echo ${x?no}"])
def test_a_shell_that_ends_is_reported(shell: BashSession, command: str) -> None:
    with pytest.raises(SandboxError, match="the shell ended on"):
        shell.run(command)
        shell.run("false")


@pytest.mark.parametrize("command", ["sleep 30", "while :; do :; done", "yes", "kill -STOP $$", "cat < /dev/zero"])
def test_a_hanging_command_is_killed(shells: Callable[..., BashSession], command: str) -> None:
    shell = shells(timeout_s=0.3)
    with pytest.raises(ActionTimeout):
        shell.run(command)


def test_a_stopped_shell_cannot_block_a_long_command(shells: Callable[..., BashSession]) -> None:
    shell = shells(timeout_s=0.5)
    shell.run("(sleep 0.1; kill -STOP $$) &")
    with pytest.raises(ActionTimeout):
        shell.run("sleep 0.3")
        shell.run("x" * 1_000_000)


def test_a_shell_that_closes_its_output_still_answers(shell: BashSession) -> None:
    shell.run("exec >&- 2>&-")
    assert shell.run("echo lost; (exit 4)").exit_code == 4
    assert shell.run("true").exit_code == 0


def test_a_closed_session_says_so(shell: BashSession) -> None:
    shell.close()
    with pytest.raises(SandboxError, match="over"):
        shell.run("ls")


def test_no_descriptor_is_left_open(backend: sandbox.Backend) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        BashSession(backend, 5.0, 100).close()
    session = BashSession(backend, 0.2, 100)
    with pytest.raises(ActionTimeout):
        session.run("sleep 9")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
