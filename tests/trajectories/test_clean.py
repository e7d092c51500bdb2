from dataclasses import replace

import polars as pl
import pytest

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.clean import clean, work
from agentworld_dag.trajectories.schema import SystemPrompt, Turn
from agentworld_dag.trajectories.turn_shares import contradiction_share, failed, turn_shares

LIVE = (Turn("echo red > a", "~$", "a=red\ncwd=~"), Turn("cat a", "red\n~$", "a=red\ncwd=~"))
ERROR = Turn("cat b", "cat: b: No such file or directory\n~[1]$", "a=red\ncwd=~")


def reasons(cleaned):
    return [refusal.reason for refusal in cleaned.quarantine]


def test_a_clean_trajectory_is_kept_as_recorded(episode):
    cleaned = clean([episode()])
    assert cleaned.kept == [episode()]
    assert cleaned.quarantine == []


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
    cleaned = clean([episode(), refused])
    assert [trajectory.id for trajectory in cleaned.kept] == ["episode-1"]
    assert reasons(cleaned) == [reason]
    assert detail in cleaned.quarantine[0].detail
    assert cleaned.quarantine[0].trajectory == refused


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
    cleaned = clean([session])
    assert [trajectory.turns for trajectory in cleaned.kept] == [LIVE]
    assert cleaned.kept[0].outcome == outcome
    assert reasons(cleaned) == ["cut_at_death"]
    assert cleaned.quarantine[0].trajectory == session
    assert "turns 1 to 2 of 3 were kept" in cleaned.quarantine[0].detail


def test_a_death_seen_only_in_the_state_is_cut_too(episode):
    session = episode(turns=(*LIVE, Turn("exit", "exit", None)), outcome="died")
    assert clean([session]).kept[0].turns == LIVE


def test_a_live_session_with_an_unanswered_end_is_refused_whole(episode):
    assert reasons(clean([episode(turns=(*LIVE, Turn("ls", None, None)))])) == ["missing_observation"]


def test_retry_cycles_are_skipped_once_and_counted(episode):
    cleaned = clean([episode(turns=(LIVE[0], ERROR, ERROR, ERROR, LIVE[1], ERROR))])
    assert cleaned.kept[0].turns == (LIVE[0], ERROR, LIVE[1], ERROR)
    assert cleaned.retries_skipped == 2


def test_repeating_what_works_is_no_retry_cycle(episode):
    turns = (LIVE[0], LIVE[1], LIVE[1])
    assert clean([episode(turns=turns)]).kept[0].turns == turns


def test_errors_no_ops_and_empty_actions_are_kept_and_measured(episode):
    turns = (LIVE[0], ERROR, Turn("", "~$", "a=red\ncwd=~"), Turn("true", "~$", "a=red\ncwd=~"))
    cleaned = clean([episode(turns=turns)])
    assert cleaned.kept[0].turns == turns
    assert turn_shares(cleaned.kept) == {
        "count": 4,
        "error_share": 0.25,
        "no_change_share": 0.75,
        "empty_action_share": 0.25,
    }


def test_duplicates_leave_one(episode):
    cleaned = clean([episode("c"), episode("a"), episode("b")])
    assert [trajectory.id for trajectory in cleaned.kept] == ["a"]
    assert reasons(cleaned) == ["duplicate", "duplicate"]
    assert "trajectory a" in cleaned.quarantine[0].detail


def test_the_same_actions_answered_otherwise_are_no_duplicate(episode):
    other = episode("b", turns=(LIVE[0], Turn("cat a", "blue\n~$", "a=red\ncwd=~")))
    assert len(clean([episode("a", turns=LIVE), other]).kept) == 2


def test_one_id_for_two_sessions_keeps_one_and_says_so(episode):
    cleaned = clean([episode(), episode(turns=LIVE)])
    assert len(cleaned.kept) == 1
    assert reasons(cleaned) == ["duplicate_id"]


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
    assert contradiction_share([first, second]) == 0.5
    assert contradiction_share([first]) == 0.0


def test_work_quarantines_with_reasons_and_lists_corrupt_parts(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode("good"), episode("bad", turns=LIVE[:1])])
    parquet.write_trajectories(tmp_path / "parts" / "2.parquet", [episode("more", turns=LIVE)])
    (tmp_path / "parts" / "3.parquet").write_bytes(b"PAR1 not really")
    metrics = work(stage({"raw_trajectories": tmp_path}))
    assert metrics["trajectories"] == {"recorded": 3, "kept": 2}
    assert metrics["quarantined"] == {"too_short": 1}
    assert [part["file"] for part in metrics["corrupt_files"]] == ["3.parquet"]
    assert "delete it" in metrics["corrupt_files"][0]["reason"]
    assert metrics["corrupt_parts"] == 1
    kept = parquet.read_trajectories(tmp_path / "out" / "trajectories.parquet")
    assert [trajectory.id for trajectory in kept] == ["good", "more"]
    quarantine = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")
    assert quarantine.select("id", "reason").rows() == [("bad", "too_short")]
    assert (tmp_path / "parts" / "3.parquet").exists()


def test_work_writes_an_empty_quarantine_with_its_columns(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode()])
    work(stage({"raw_trajectories": tmp_path}))
    quarantine = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")
    assert quarantine.is_empty()
    assert {"reason", "detail"} <= set(quarantine.columns)


def test_work_refuses_to_go_on_with_nothing(tmp_path, episode, stage):
    parquet.write_trajectories(tmp_path / "parts" / "1.parquet", [episode(turns=())])
    with pytest.raises(TrajectoryError, match=r"none of 1 trajectories.*too_short.*quarantine\.parquet"):
        work(stage({"raw_trajectories": tmp_path}))
    assert (tmp_path / "out" / "quarantine.parquet").exists()


def test_prompt_parts_count_as_content(episode):
    other = replace(episode("b"), system=SystemPrompt("Another shell.", "One bash command.", "cwd=~"))
    assert len(clean([episode("a"), other]).kept) == 2
