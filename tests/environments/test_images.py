import asyncio
from pathlib import Path

import pytest

from agentworld_dag.environments import images
from agentworld_dag.environments.terminal import RealTerminal, real_terminal
from agentworld_dag.errors import ConfigError, StoreError
from tests.environments.test_terminal import HOME, play
from tests.small_loop import small_preset

CHANGED = [name for name in images.IMAGES if name != images.PLAIN]
KEPT = [
    "mkdir new; rmdir new; cp memo copy; mv copy docs; rm docs/copy",
    "mkdir src logs > made; mv -v made src > moved; cat memo docs/list > both; ls > listed",
    "cat docs/list | sort -r > sorted; grep -n r docs/list | cat > found; grep e docs/list > found2",
    '(ls; cat memo) > grouped; x=$(ls; cat docs/list 2>&1); echo "$x" > kept; cat docs/list |& tee teed > /dev/null',
    "cat memo > >(cat > later); until [[ -s later ]]; do sleep 0.01; done; ls docs 2> empty >&2",
    "for file in *; do cat $file; done > all 2>&1; ls -l nothing &> refused; ln -s docs link; mkdir -p a/b; cd a",
    "rm -- ../memo -f; echo a > '-f'; cp -- -f 'a b'; grep -q a ./-f && touch yes; false || cat 'a b' && touch both",
]
"""What changes files through every command of an image, by redirection, pipe, substitution, loop and list."""
ALIKE = [
    "pwd", "echo cat", "wc -l docs/list", "head -n 1 docs/list", "tail -1 docs/list", "sort docs/list", "test -f memo",
    "cat nothing", "ls nothing docs/nothing", "rm nothing", "mv memo", "cp", "mkdir", "rmdir", "grep", "ls -y",
    "grep cat nothing", "grep dog memo", "mkdir docs", "mv memo no/where", "cp docs copy", "rm docs", "cat -y memo",
    "cat memo )", "cat memo > no/where", "ls < nothing", "(ls)", "ls | cat", "cat memo 2>&1 | wc -l", "ls memo; false",
    "grep -l red docs/*", "grep -c red docs/list", "rm -f nothing", "touch new", "cd docs", "echo $RANDOM", "PATH=; ls",
]  # fmt: skip
"""Commands that every image answers as plain does: they fail, print into something else, or are no image's concern."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path))
    return tmp_path


def shown(image: str, *actions: str) -> list[str]:
    """What `play` gives, in an image."""
    return play(RealTerminal(10.0, 2000, image), *actions)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "image, action, observation",
    [
        ("talkative", "mkdir src", "mkdir: created directory 'src'\n~$"),
        ("talkative", "rmdir docs", "rmdir: removing directory, 'docs'\nrmdir: failed to remove 'docs': "
         "Directory not empty\n~[1]$"),
        ("talkative", "rm memo", "removed 'memo'\n~$"),
        ("talkative", "cp memo note", "'memo' -> 'note'\n~$"),
        ("talkative", "mv memo docs", "renamed 'memo' -> 'docs/memo'\n~$"),
        ("marked", "ls", "docs/\nmemo\n~$"),
        ("complete", "ls docs", ".\n..\nlist\n~$"),
        ("numbered", "cat docs/list", "     1\tred\n     2\tblue\n~$"),
        ("numbered", "grep blue docs/list", "2:blue\n~$"),
        ("annotated", "ls; cat memo; grep blue docs/list", "docs/\nmemo\n     1\tcat\n2:blue\n~$"),
    ],
)  # fmt: skip
def test_what_an_image_changes(image: str, action: str, observation: str) -> None:
    assert shown(image, action)[1] == observation
    assert shown("plain", action)[1] != observation


@pytest.mark.usefixtures("backend")
def test_marks_do_not_change_which_links_are_followed() -> None:
    actions = ["ln -s docs link", "ls link", "ln -s nowhere lost; ls lost/"]
    assert shown("marked", *actions) == shown("plain", *actions)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("image", CHANGED)
def test_an_image_changes_no_file_and_no_exit_code(image: str) -> None:
    *plain, plain_state = shown("plain", *KEPT)
    *changed, state = shown(image, *KEPT)
    assert state == plain_state
    assert [text.rpartition("\n")[2] for text in changed] == [text.rpartition("\n")[2] for text in plain]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("image", CHANGED)
def test_an_image_changes_nothing_else(image: str) -> None:
    assert shown(image, *ALIKE) == shown("plain", *ALIKE)


def test_an_unknown_image_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown shell image 'loud', expected one of plain, talkative"):
        RealTerminal(10.0, 400, "loud")


def test_the_image_is_plain_until_one_is_installed(tmp_path: Path) -> None:
    place = tmp_path / "home" / "terminal-image"
    assert images.installed(place) == "plain"
    images.install("marked", place)
    assert images.installed(place) == "marked"
    assert [path.name for path in place.parent.iterdir()] == ["terminal-image"]


@pytest.mark.parametrize("content", [b"", b"\n", b"loud\n", b"plain\nmarked\n", b"\xff\x00", b"x" * 10_000])
def test_garbage_is_named_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "terminal-image"
    place.write_bytes(content)
    with pytest.raises(ConfigError, match=r"terminal-image names no image: .*agentworld image NAME") as raised:
        images.installed(place)
    assert len(str(raised.value)) < 500
    images.install("plain", place)
    assert images.installed(place) == "plain"


def test_an_unknown_name_installs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown shell image 'loud'"):
        images.install("loud", tmp_path / "terminal-image")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*set AGENTWORLD_HOME"):
        images.install("marked", tmp_path / "file" / "terminal-image")
    with pytest.raises(ConfigError, match="names no image"):
        images.installed(tmp_path)


def test_the_next_terminal_built_has_the_new_image(home: Path) -> None:
    limits = small_preset().collection
    before = real_terminal(limits)
    images.install("marked", home / "terminal-image")
    after = real_terminal(limits)
    assert (play(before, "ls")[1], before.version) == ("docs\nmemo\n~$", "1")
    assert (play(after, "ls")[1], after.version) == ("docs/\nmemo\n~$", "1+marked")


def test_an_episode_under_way_keeps_its_image(home: Path) -> None:
    async def episode() -> str:
        terminal = real_terminal(small_preset().collection)
        await terminal.reset(HOME, 0)
        images.install("marked", home / "terminal-image")
        answer = await terminal.step("ls")
        await terminal.close()
        return answer

    assert asyncio.run(episode()) == "docs\nmemo\n~$"


def test_a_broken_file_stops_who_wants_the_real_environment(home: Path) -> None:
    (home / "terminal-image").write_text("loud\n")
    with pytest.raises(ConfigError, match="loud"):
        real_terminal(small_preset().collection)
