import json
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.trajectories.outlines import Outline, outline
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.pools import (
    EARLIER_HELD_OUT,
    SPLITS,
    Pools,
    groups,
    overlap,
    owners,
    pair_overlap,
    read_earlier_held_out,
)
from agentworld_dag.trajectories.schema import Trajectory, Turn


def outlined(*trajectories: Trajectory) -> list[Outline]:
    return [outline(trajectory, Path("nowhere")) for trajectory in trajectories]


def pools_of(**members: list[Trajectory]) -> Pools:
    return {name: outlined(*members.get(name, [])) for name in SPLITS}


def test_groups_join_through_a_shared_task_and_a_shared_session(episode):
    task = json.dumps({"id": "t1", "goal": 1})
    renamed = json.dumps({"goal": 1, "id": "t2"})
    linked = [
        episode("a", task=task),
        episode("b", initial_state="x=1\ncwd=~", task=renamed),
        episode("c", initial_state="x=1\ncwd=~"),
        episode("d", initial_state="y=1\ncwd=~"),
    ]
    names = groups(outlined(*linked))
    assert names[0] == names[1] == names[2] != names[3]


@pytest.mark.parametrize("kind", ["id", "session", "task"])
def test_overlap_can_fail(episode, kind):
    task = json.dumps({"id": "t", "goal": 1})
    twins = {
        "id": (episode("a"), episode("a", initial_state="x=1\ncwd=~")),
        "session": (episode("a"), episode("b")),
        "task": (episode("a", task=task), episode("b", initial_state="x=1\ncwd=~", task=task)),
    }[kind]
    found = overlap(pools_of(held_out=[twins[0]], sft=[twins[1]]))
    assert found == {"id": 0, "session": 0, "task": 0} | {kind: 1}


def test_overlap_ignores_repeats_inside_one_pool(episode):
    assert overlap(pools_of(sft=[episode("a"), episode("a")])) == {"id": 0, "session": 0, "task": 0}


def test_pair_overlap_counts_state_and_action_together(episode):
    asked = episode(turns=(Turn("ls", "~$", "a=1\ncwd=~"), Turn("ls", "~$", "a=1\ncwd=~")))
    known = episode(turns=(Turn("ls", "~$", "cwd=~"), Turn("cat a", "~$", "cwd=~")))
    assert pair_overlap(outlined(known), outlined(asked)) == 0.5
    assert pair_overlap([], outlined(asked)) == 0.0
    assert pair_overlap(outlined(known), []) == 0.0


def test_owners_are_found_by_every_key(episode):
    found = owners(pools_of(sft=[episode("a", task='{"goal": 1}')], rl=[episode("b")]))
    assert found["id:a"] == {"sft"}
    assert sorted(len(names) for names in found.values()) == [1, 1, 1, 2]


def test_earlier_held_out_sessions_are_none_without_a_file_and_in_the_first_round(tmp_path, episode):
    assert read_earlier_held_out(tmp_path) == []
    write_trajectories(tmp_path / EARLIER_HELD_OUT, [])
    assert read_earlier_held_out(tmp_path) == []
    write_trajectories(tmp_path / EARLIER_HELD_OUT, [episode()])
    assert read_earlier_held_out(tmp_path) == [episode()]
    (tmp_path / EARLIER_HELD_OUT).write_bytes(b"")
    with pytest.raises(StoreError, match=EARLIER_HELD_OUT):
        read_earlier_held_out(tmp_path)
