import os
import random

import pytest

from agentworld_dag.environments import file_system
from agentworld_dag.environments.bash_session import BashSession
from agentworld_dag.environments.file_system import MAX_ENTRIES, decode_content, encode_content, setup_command
from agentworld_dag.errors import SandboxError, TrajectoryError
from agentworld_dag.trajectories.patch import apply, diff, format_state, parse_state


def state(shell: BashSession) -> str:
    return file_system.read_state(shell.home_fd, shell.process_fd, shell.home)


@pytest.mark.parametrize(
    "content, value",
    [
        (b"", ""),
        (b"red\n", "red"),
        (b"red\nblue\n", "red/blue"),
        (b"red", "red%-"),
        (b"\n", "/%-"),
        (b"\n\n", "/"),
        (b"a/b%\n", "a%2Fb%25"),
        (b"\t\xff\x00\n", "%09%FF%00"),
        (b"a b\n\n", "a b/"),
    ],
)
def test_contents_and_their_values(content: bytes, value: str) -> None:
    assert encode_content(content) == value
    assert decode_content(value) == content


def test_every_content_has_one_value() -> None:
    rng = random.Random(0)
    alphabet = [b"\n", b"/", b"%", b"-", b"a", b"\xff", b"2", b"F"]
    contents = {b"".join(rng.choices(alphabet, k=rng.randrange(6))) for _ in range(3000)}
    assert len({encode_content(content) for content in contents}) == len(contents)
    assert all(decode_content(encode_content(content)) == content for content in contents)


STATES = [
    "cwd=~",
    "cwd=~/docs\ndocs/=\ndocs/list=red/blue\nmemo=",
    '%2Drf=x\n%63wd=y\ncwd=~\nit\'s "$HOME" `ls`=z\nq?*[a]=w',
    "cwd=~/a b\na b/=\na b/%0A%3D%FF=%00%01%-\na b/c/=\na b/c/d/=",
    "%2D=x\ncwd=~\nx=/%-",
]


@pytest.mark.parametrize("text", STATES)
def test_a_state_is_made_and_read_back(shell: BashSession, text: str) -> None:
    assert shell.run(setup_command(text)).exit_code == 0
    assert state(shell) == format_state(parse_state(text))


def test_a_patch_reaches_any_state(shell: BashSession) -> None:
    before = state(shell)
    shell.run("touch -- -rf cwd $'a\\nb=c'; mkdir -- '-d' 'e f'; echo 1/2 > '-d'/x; cd 'e f'")
    assert apply(before, diff(before, state(shell))) == state(shell)


@pytest.mark.parametrize("value", ["%@memo", "%!fifo", "red%+"])
def test_marks_cannot_be_made(value: str) -> None:
    with pytest.raises(TrajectoryError, match="cannot be made"):
        setup_command(f"cwd=~\nmemo={value}")


def test_links_are_named_and_never_followed(shell: BashSession) -> None:
    shell.run(
        "ln -s /etc/passwd abs; ln -s ../../../etc up; ln -s nothing dangling; ln -s loop loop; mkdir d; ln -s d dl"
    )
    facts = parse_state(state(shell))
    del facts["cwd"]
    assert facts == {
        "abs": "%@/etc/passwd", "up": "%@../../../etc", "dangling": "%@nothing", "loop": "%@loop", "d/": "",
        "dl": "%@d",
    }  # fmt: skip


def test_special_and_unreadable_entries_are_marked(shell: BashSession) -> None:
    shell.run("mkfifo pipe; umask 777; echo x > locked; mkdir sealed")
    facts = parse_state(state(shell))
    assert facts["pipe"] == "%!fifo"
    assert facts["locked"] == "%!unreadable"
    assert facts["sealed/"] == "%!unreadable"


def test_a_huge_file_is_cut(shell: BashSession) -> None:
    shell.run("yes red | head -c 60000 > big")
    value = parse_state(state(shell))["big"]
    assert value.endswith("%+")
    assert len(value) < 5000


def test_deep_folders_are_bounded(shell: BashSession) -> None:
    shell.run("for i in {1..60}; do mkdir d; cd d; done")
    facts = parse_state(state(shell))
    assert facts["d/" * 8] == "%!deep"
    assert len(facts) == 9


def test_too_many_entries_end_the_episode(shell: BashSession) -> None:
    shell.run(f"touch f{{1..{MAX_ENTRIES + 1}}}")
    with pytest.raises(SandboxError, match=f"over {MAX_ENTRIES}"):
        state(shell)


def test_the_working_directory_is_the_true_one(shell: BashSession) -> None:
    shell.run("mkdir docs; ln -s docs link; cd link; PWD=/forged; pwd() { echo forged; }")
    assert parse_state(state(shell))["cwd"] == "~/docs"
    shell.run("cd /usr")
    assert parse_state(state(shell))["cwd"] == "/usr"


def test_a_deleted_working_directory_keeps_its_name(shell: BashSession) -> None:
    shell.run("mkdir docs; cd docs; rmdir ../docs")
    assert state(shell) == "cwd=~/docs"
    shell.run("cd ~; mkdir 'x (deleted)'; cd 'x (deleted)'")
    assert parse_state(state(shell))["cwd"] == "~/x (deleted)"


def test_a_dead_shell_has_no_state(shell: BashSession) -> None:
    home, process = os.dup(shell.home_fd), os.dup(shell.process_fd)
    try:
        shell.close()
        with pytest.raises(SandboxError, match="gone"):
            file_system.read_state(home, process, shell.home)
    finally:
        os.close(home)
        os.close(process)
