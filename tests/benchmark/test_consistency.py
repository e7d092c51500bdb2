from collections.abc import Sequence

import pytest

from agentworld_dag.benchmark.checks import accepts
from agentworld_dag.benchmark.consistency import consistency_candidates
from agentworld_dag.environments.terminal import RealTerminal
from tests.benchmark.recorded_sessions import HOME, SESSION, played


def found(terminal: RealTerminal, episode, *actions: str) -> list[tuple[int, str, int | None, str]]:
    """(turn, rule, horizon, stale answer) of a session that a real shell plays."""
    made = list(consistency_candidates(episode(initial_state=HOME, turns=tuple(played(terminal, HOME, actions)))))
    assert all(accepts(each.check, each.truth) for each in made)
    return [(each.check.turn, each.check.rule, each.check.horizon, each.contradictions["stale"]) for each in made]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["echo fox > memo", "ls", "cat memo"], (3, "written_is_there", 2, "cat\n~$")),
        (["echo fox >> memo", "sort memo"], (2, "written_is_there", 1, "cat\n~$")),
        (["rm memo", "ls docs", "cat memo"], (3, "deleted_is_gone", 2, "cat\n~$")),
        (["mv memo docs", "cat memo"], (2, "moved_is_gone", 1, "cat\n~$")),
        (
            ["mv memo docs", "cat docs/memo"],
            (2, "moved_is_there", 1, "cat: docs/memo: No such file or directory\n~[1]$"),
        ),
        (["cp memo new", "cat new"], (2, "copied_is_there", 1, "cat: new: No such file or directory\n~[1]$")),
        (["mkdir src", "ls"], (2, "made_folder_is_there", 1, "docs\nmemo\nnote\n~$")),
        (["rm -r docs", "ls"], (2, "removed_folder_is_gone", 1, "docs\nmemo\nnote\n~$")),
        (["cd docs", "pwd"], (2, "directory_holds", 1, "/home/agent\n~$")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_an_answer_that_an_earlier_change_decides_is_checked(
    terminal: RealTerminal, episode, actions: Sequence[str], expected: tuple[int, str, int, str]
) -> None:
    assert expected in found(terminal, episode, *actions)


@pytest.mark.parametrize(
    "actions",
    [
        ["cat memo", "ls", "cat note"],
        ["echo fox > memo", "cat note"],
        ["echo cat > memo", "cat memo"],
        ["cd docs", "echo red"],
        ["mkdir src", "touch src/new"],
    ],
    ids=["nothing changed", "another file", "the same content", "any folder", "a silent success"],
)
def test_an_answer_that_would_be_the_same_is_not(terminal: RealTerminal, episode, actions: Sequence[str]) -> None:
    assert found(terminal, episode, *actions) == []


def test_of_several_changes_the_one_longest_ago_counts(terminal: RealTerminal, episode) -> None:
    rules = [each[:3] for each in found(terminal, episode, "rm memo", "pwd", "touch new", "ls")]
    assert rules == [(4, "deleted_is_gone", 3)]
    again = found(terminal, episode, "echo a > memo", "pwd", "echo b > memo", "cat memo")
    assert again == [(4, "written_is_there", 1, "a\n~$")]


def test_the_recorded_answer_plays_no_part(episode) -> None:
    silenced = tuple(type(turn)(turn.action, "", turn.state) for turn in SESSION)
    recorded, blind = (
        [each.check for each in consistency_candidates(episode(initial_state=HOME, turns=turns))]
        for turns in (SESSION, silenced)
    )
    assert recorded == blind != []
