from dataclasses import replace

import pytest

from agentworld_dag.trajectories.schema import SystemPrompt, Turn
from agentworld_dag.trajectories.turn_shares import Contradictions, failed, turn_counts, turn_shares
from agentworld_dag.trajectories.verdicts import Cleaned, cleaned, look, verdicts

LIVE = (Turn("echo red > a", "~$", "a=red\ncwd=~"), Turn("cat a", "red\n~$", "a=red\ncwd=~"))
ERROR = Turn("cat b", "cat: b: No such file or directory\n~[1]$", "a=red\ncwd=~")


def clean(recorded):
    """Kept and refused trajectories, each sorted by id."""
    recorded = list(recorded)
    found = cleaned(recorded, verdicts([look(trajectory) for trajectory in recorded]))
    kept = sorted(found.kept, key=lambda trajectory: trajectory.id)
    quarantine = sorted(found.quarantine, key=lambda refusal: (refusal.trajectory.id, refusal.detail))
    return Cleaned(kept, quarantine, found.retries_skipped)


def reasons(found):
    return [refusal.reason for refusal in found.quarantine]


def test_a_clean_trajectory_is_kept_as_recorded(episode):
    found = clean([episode()])
    assert found.kept == [episode()]
    assert found.quarantine == []


@pytest.mark.parametrize(
    ("reason", "detail", "fields"),
    [
        ("missing_observation", "turn 2 of 3", {"turns": (LIVE[0], Turn("x", None, "cwd=~"), LIVE[1])}),
        ("too_short", "1 turns, at least 2", {"turns": LIVE[:1]}),
        ("too_short", "0 turns", {"turns": ()}),
        ("no_action", "every action is empty", {"turns": (Turn("", "~$", "cwd=~"), Turn(" \n", "~$", "cwd=~"))}),
        ("damaged_state", "turn 1: state line 'nonsense'", {"turns": (Turn("ls", "~$", "nonsense"), LIVE[1])}),
        ("damaged_state", "turn 2: not sorted", {"turns": (LIVE[0], Turn("ls", "~$", "cwd=~\na=red"))}),
        ("damaged_state", "turn 2: not sorted, or a key twice", {"turns": (LIVE[0], Turn("ls", "~$", "a=1\na=1"))}),
        ("damaged_state", "turn 1: not recorded", {"turns": (Turn("ls", "~$", None), LIVE[1])}),
        ("off_schema", "outcome is 'won'", {"outcome": "won"}),
        ("session_lost", "died after 1 answered turns: shell gone", {"turns": LIVE[:1], "outcome": "died"}),
        ("session_lost", "timed_out after 0", {"turns": (Turn("cat", None),), "outcome": "timed_out"}),
        ("missing_observation", "turn 1 of 3", {"turns": (Turn("x", None), *LIVE), "outcome": "died"}),
    ],
)
def test_refusals_name_their_reason(episode, reason, detail, fields):
    refused = episode("bad", failure="shell gone", **fields)
    found = clean([episode(), refused])
    assert [trajectory.id for trajectory in found.kept] == ["episode-1"]
    assert reasons(found) == [reason]
    assert detail in found.quarantine[0].detail
    assert found.quarantine[0].trajectory == refused


def test_a_task_solved_by_its_first_command_is_whole(episode):
    solved = episode(kind="task", turns=LIVE[:1], outcome="success")
    assert clean([solved]).kept == [solved]
    assert reasons(clean([replace(solved, turns=())])) == ["too_short"]
    assert reasons(clean([replace(solved, outcome="failure")])) == ["too_short"]


def test_damaged_initial_state_is_refused(episode):
    assert reasons(clean([episode(initial_state="nonsense")])) == ["damaged_state"]


def test_an_environment_without_readable_state_is_fine(episode):
    turns = tuple(replace(turn, state=None) for turn in LIVE)
    assert len(clean([episode(initial_state="", turns=turns)]).kept) == 1


@pytest.mark.parametrize("outcome", ["died", "timed_out"])
def test_a_dead_session_keeps_its_turns_before_death(episode, outcome):
    session = episode(turns=(*LIVE, Turn("kill -9 $$", None, None)), outcome=outcome, failure="no answer in 2 s")
    found = clean([session])
    assert [trajectory.turns for trajectory in found.kept] == [LIVE]
    assert found.kept[0].outcome == outcome
    assert reasons(found) == ["cut_at_death"]
    assert found.quarantine[0].trajectory == session
    assert "turns 1 to 2 of 3 were kept" in found.quarantine[0].detail


def test_a_death_seen_only_in_the_state_is_cut_too(episode):
    session = episode(turns=(*LIVE, Turn("exit", "exit", None)), outcome="died")
    assert clean([session]).kept[0].turns == LIVE


def test_a_live_session_with_an_unanswered_end_is_refused_whole(episode):
    assert reasons(clean([episode(turns=(*LIVE, Turn("ls", None, None)))])) == ["missing_observation"]


def test_retry_cycles_are_skipped_once_and_counted(episode):
    found = clean([episode(turns=(LIVE[0], ERROR, ERROR, ERROR, LIVE[1], ERROR))])
    assert found.kept[0].turns == (LIVE[0], ERROR, LIVE[1], ERROR)
    assert found.retries_skipped == 2


def test_repeating_what_works_is_no_retry_cycle(episode):
    turns = (LIVE[0], LIVE[1], LIVE[1])
    assert clean([episode(turns=turns)]).kept[0].turns == turns


def test_errors_no_ops_and_empty_actions_are_kept_and_measured(episode):
    turns = (LIVE[0], ERROR, Turn("", "~$", "a=red\ncwd=~"), Turn("true", "~$", "a=red\ncwd=~"))
    found = clean([episode(turns=turns)])
    assert found.kept[0].turns == turns
    assert turn_shares(turn_counts(found.kept)) == {
        "count": 4,
        "error_share": 0.25,
        "no_change_share": 0.75,
        "empty_action_share": 0.25,
    }


def test_duplicates_leave_one(episode):
    found = clean([episode("c"), episode("a"), episode("b")])
    assert [trajectory.id for trajectory in found.kept] == ["a"]
    assert reasons(found) == ["duplicate", "duplicate"]
    assert "trajectory a" in found.quarantine[0].detail


def test_the_same_actions_answered_otherwise_are_no_duplicate(episode):
    other = episode("b", turns=(LIVE[0], Turn("cat a", "blue\n~$", "a=red\ncwd=~")))
    assert len(clean([episode("a", turns=LIVE), other]).kept) == 2


def test_one_id_for_two_sessions_keeps_one_and_says_so(episode):
    found = clean([episode(), episode(turns=LIVE)])
    assert len(found.kept) == 1
    assert reasons(found) == ["duplicate_id"]


def test_the_content_of_a_refused_id_is_kept_under_another(episode):
    sessions = [episode("a"), episode("a", turns=LIVE), episode("b"), episode("c", turns=LIVE)]
    assert {trajectory.turns for trajectory in clean(sessions).kept} == {episode().turns, LIVE}


def test_order_of_the_parts_does_not_matter(episode):
    sessions = [episode("a"), episode("b"), episode("a", turns=LIVE), episode("c", turns=(LIVE[0], ERROR))]
    assert clean(sessions) == clean(reversed(sessions))


@pytest.mark.parametrize(
    ("observation", "expected"),
    [("~$", False), ("~[1]$", True), ("x\n~/docs[127]$", True), ("[1]$\n~$", False), ("", False), (None, False)],
)
def test_failed_reads_the_exit_code_of_the_last_prompt(observation, expected):
    assert failed(Turn("x", observation)) is expected


def test_contradictions_are_repeated_pairs_with_two_answers(episode):
    first = episode("a", turns=(Turn("date", "1\n~$", "cwd=~"), Turn("ls", "~$", "cwd=~")))
    second = episode("b", turns=(Turn("date", "2\n~$", "cwd=~"), Turn("ls", "~$", "cwd=~")))
    seen = Contradictions()
    seen.add([first])
    assert seen.share == 0.0
    seen.add([second])
    assert seen.share == 0.5


def test_prompt_parts_count_as_content(episode):
    other = replace(episode("b"), system=SystemPrompt("Another shell.", "One bash command.", "cwd=~"))
    assert len(clean([episode("a"), other]).kept) == 2
