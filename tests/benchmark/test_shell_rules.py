import random
from itertools import pairwise

import pytest

from agentworld_dag.benchmark.shell_rules import Expected, expected_answer
from agentworld_dag.environments.explorers import random_command
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories.schema import Turn
from tests.benchmark.recorded_sessions import HOME, played

LOOKING = """
    ls; ls docs; ls memo; ls nowhere; ls memo/x; ls -y; pwd; cat memo; cat docs; cat nowhere; cat memo/x; cat docs/list;
    head -n 1 note; head -n 1 docs; head -n 1 nowhere; head -n; tail -n 1 note; tail -n 1 docs; tail -n 1 nowhere;
    sort note; sort docs; sort nowhere; wc -l note; wc -l docs; wc -l nowhere; wc -q; grep o note; grep zebra note;
    grep cat nowhere; grep cat docs; grep; grep -l red docs/*; grep -l zebra docs/*; grep -l red nowhere/*; echo red;
    echo; test -f memo; test -d memo; test -d docs; test -f nowhere; wolf; lss memo; cat memo ); echo owl >; ~;
    cat /home/agent/memo; cat ~/memo
"""
CHANGING = """
    mkdir; mkdir docs; mkdir memo; mkdir nowhere/x; mkdir memo/x; mkdir src; ls; rmdir; rmdir docs; rmdir memo;
    rmdir nowhere; rmdir src; touch; touch nowhere/x; touch memo/x; touch docs; touch new; cat new; wc -l new; rm;
    rm docs; rm nowhere; rm memo/x; rm new; cat new; cp; cp memo; cp nowhere x; cp docs x; cp memo memo; cp memo docs;
    cp memo docs; ls docs; cp memo nowhere/x; cp memo note/x; mv; mv memo; mv nowhere x; mv memo memo;
    mv docs/memo docs; mv memo nowhere/x; mv memo note/x; mv nowhere note/x; mv memo moved; cat memo; cat moved;
    echo fox > moved;
    cat moved; echo owl >> moved; sort moved; sort moved > moved; cat moved; echo a > docs; echo a > nowhere/x;
    echo a > note/x; sort nowhere > made; cat made; head -n 1 note > first; cat first; wc -l docs > count; cat count;
    cd nowhere; cd memo; cd note; cd docs list; cd docs; pwd; ls; cat list; cat ../note; cd ..; cd docs; cd; cd ~;
    rm -r nowhere; rm -r docs; ls docs; ls
"""


def commands(text: str) -> list[str]:
    return [command.strip() for command in text.split(";")]


@pytest.mark.parametrize("actions", [LOOKING, CHANGING], ids=["looking", "changing"])
def test_the_rules_say_what_a_real_shell_says(terminal: RealTerminal, actions: str) -> None:
    unknown = {"~", "wc -l docs > count"} if actions is LOOKING else set[str]()
    turns = [Turn("", "~$", HOME), *played(terminal, HOME, commands(actions))]
    for before, turn in pairwise(turns):
        known = expected_answer(before.state or "", turn.action)
        assert (known is None) == (turn.action in unknown), turn.action
        assert known is None or known.shown() == turn.observation


def test_the_rules_follow_a_random_session(terminal: RealTerminal) -> None:
    rng, state, agreed = random.Random(11), HOME, 0
    for _ in range(4):
        actions = [random_command(state, rng) for _ in range(15)]
        turns = [Turn("", "~$", state), *played(terminal, state, actions)]
        for before, turn in pairwise(turns):
            known = expected_answer(before.state or "", turn.action)
            agreed += known is not None
            assert known is None or known.shown() == turn.observation, (before.state, turn.action)
        state = turns[-1].state or ""
    assert agreed >= 55


@pytest.mark.parametrize(
    "action",
    ["ls | sort", "echo $HOME", "cat 'memo'", "ls; ls", "cat memo > a > b", "ls /etc", "cd ../..", "cd ..", "ls -l",
     "cat docs/../memo", "python x", "cat", "grep memo", "ls *", "rm -r ~", "mv docs src", "cp memo note docs"],
)  # fmt: skip
def test_what_no_rule_covers_is_not_answered(action: str) -> None:
    assert expected_answer(HOME, action) is None


@pytest.mark.parametrize("action", ["rm -r ~", "rmdir .", "rm -r ../docs", "rm -r /home/agent"])
def test_a_shell_that_loses_the_ground_it_stands_on_is_not_answered(action: str) -> None:
    assert expected_answer(HOME.replace("cwd=~", "cwd=~/docs"), action) is None


@pytest.mark.parametrize(
    "state",
    ["cwd=/tmp\nmemo=cat", "cwd=~/gone\nmemo=cat", "cwd=~\nmemo=cat%-", "cwd=~\nlink=%@memo", "cwd=~\n.hidden=cat"],
)
def test_a_state_that_is_not_told_word_for_word_is_not_answered(state: str) -> None:
    assert expected_answer(state, "cat memo") is None


def test_a_damaged_state_is_an_error() -> None:
    with pytest.raises(TrajectoryError, match="not `key=value`"):
        expected_answer("cwd", "ls")


def test_an_answer_is_shown_as_the_terminal_shows_it() -> None:
    assert Expected(("a", "b"), 2, "~/docs").shown() == "a\nb\n~/docs[2]$"
    assert Expected((), 0, "~", "#").shown() == "~#"
