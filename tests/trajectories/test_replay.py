import json
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.trajectories.outlines import Outline, outline, outlines
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.pools import EARLIER_HELD_OUT, SPLITS, TRAINING, Pools, pool_file
from agentworld_dag.trajectories.replay import draw, earlier_files, place
from agentworld_dag.trajectories.schema import Trajectory

TASK = json.dumps({"id": "t1", "goal": 1})
RENAMED = json.dumps({"id": "t2", "goal": 1})


def outlined(*trajectories: Trajectory) -> list[Outline]:
    return [outline(trajectory, Path("nowhere")) for trajectory in trajectories]


def pools_of(**members: list[Outline]) -> Pools:
    return {name: members.get(name, []) for name in SPLITS}


@pytest.fixture
def sessions(episode):
    """Builds sessions that share nothing; the names of all start with `prefix`."""

    def build(prefix: str, count: int) -> list[Trajectory]:
        return [episode(f"{prefix}{number}", initial_state=f"{prefix}={number}\ncwd=~") for number in range(count)]

    return build


@pytest.fixture
def many(sessions):
    """Their outlines."""
    return lambda prefix, count: outlined(*sessions(prefix, count))


def test_without_earlier_rounds_everything_is_free_and_in_order(many):
    fresh = many("f", 5)
    placement = place(fresh, pools_of())
    assert placement.free == fresh
    assert placement.inherited == pools_of()
    assert placement.dropped == []


@pytest.mark.parametrize("kind", ["id", "session", "task"])
@pytest.mark.parametrize("pool", SPLITS)
def test_a_shared_key_decides_the_pool(episode, kind, pool):
    [known] = outlined(episode("known", initial_state="k=1\ncwd=~", task=TASK))
    twin = {
        "id": episode("known", initial_state="f=1\ncwd=~"),
        "session": episode("fresh", initial_state="k=1\ncwd=~"),
        "task": episode("fresh", initial_state="f=1\ncwd=~", task=RENAMED),
    }[kind]
    twin, stranger = outlined(twin, episode("stranger", initial_state="s=1\ncwd=~"))
    placement = place([twin, stranger], pools_of(**{pool: [known]}))
    assert placement.inherited == pools_of(**{pool: [twin]})
    assert placement.free == [stranger]


def test_a_shared_key_binds_through_other_fresh_ones(episode):
    known = episode("known", initial_state="k=1\ncwd=~")
    near = episode("near", initial_state="k=1\ncwd=~", task=TASK)
    far = episode("far", initial_state="f=1\ncwd=~", task=RENAMED)
    known, near, far = outlined(known, near, far)
    assert place([far, near], pools_of(held_out=[known])).inherited["held_out"] == [far, near]


def test_a_group_that_several_pools_claim_is_dropped_whole(episode):
    known, other = episode("known", initial_state="k=1\ncwd=~"), episode("other", initial_state="o=1\ncwd=~")
    bridge = outlined(replace(known, id="x", task=TASK), replace(other, id="y", task=TASK))
    known, other = outlined(known, other)
    placement = place(bridge, pools_of(held_out=[known], sft=[other]))
    assert placement.dropped == bridge
    assert placement.inherited == pools_of()
    assert place(bridge, pools_of(sft=[known, other])).inherited["sft"] == bridge


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.25, 100), (0.5, 300), (0.6, 450), (0.9, 500)])
def test_replay_has_its_share_of_the_result_as_long_as_there_is_enough(many, share, count):
    fresh, earlier = pools_of(sft=many("f", 300)), pools_of(sft=many("e", 500), held_out=many("h", 500))
    drawn = draw(fresh, earlier, share, 0, "round-0002")
    assert {name: len(pool) for name, pool in drawn.items()} == {"cpt": 0, "rl": 0, "sft": count}
    assert all(t.id.startswith("e") for t in drawn["sft"])


def test_the_draw_follows_seed_and_round_and_not_the_order(many):
    fresh, earlier = pools_of(rl=many("f", 300)), many("e", 500)

    def drawn(pool, seed=0, round_name="round-0002"):
        return draw(fresh, pools_of(rl=pool), 0.25, seed, round_name)["rl"]

    assert drawn(earlier) == drawn(earlier[::-1])
    assert drawn(earlier) != drawn(earlier, seed=1)
    assert drawn(earlier) != drawn(earlier, round_name="round-0003")


def test_what_is_fresh_is_not_replayed_as_well(many):
    fresh = many("f", 30)
    assert draw(pools_of(cpt=fresh), pools_of(cpt=fresh[:10]), 0.25, 0, "round-0002")["cpt"] == []


def written(folder, pools, held_out_earlier=()):
    for name in SPLITS:
        write_trajectories(pool_file(folder, name), pools.get(name, []))
    write_trajectories(folder / EARLIER_HELD_OUT, held_out_earlier)
    return folder


def known(folders):
    """Ids of all earlier trajectories, by pool."""
    return {name: [each.id for each in outlines(files)] for name, files in earlier_files(folders).items()}


def named(prefix, *numbers):
    return [f"{prefix}{number}" for number in numbers]


def test_earlier_rounds_are_read_together_and_each_trajectory_once(tmp_path, sessions):
    a, b = sessions("a", 10), sessions("b", 10)
    first = written(tmp_path / "1", {"sft": a[:5], "held_out": a[5:]})
    second = written(tmp_path / "2", {"sft": [*b[:5], *a[:2]], "held_out": b[5:]}, a[5:])
    held_out = named("a", *range(5, 10)) + named("b", *range(5, 10))
    sft = named("a", *range(5)) + named("b", *range(5))
    assert known([first, second]) == {"cpt": [], "rl": [], "validation": [], "sft": sft, "held_out": held_out}
    assert known([second])["held_out"] == held_out[5:] + held_out[:5]


def test_a_lake_older_than_the_file_of_earlier_sessions_is_read(tmp_path, sessions):
    folder = written(tmp_path, {"held_out": sessions("a", 3)})
    (folder / EARLIER_HELD_OUT).unlink()
    assert known([folder])["held_out"] == named("a", 0, 1, 2)


@pytest.mark.parametrize("name", TRAINING)
def test_a_missing_earlier_pool_is_named(tmp_path, name):
    written(tmp_path, {})
    pool_file(tmp_path, name).unlink()
    with pytest.raises(StoreError, match=rf"{name}\.parquet"):
        known([tmp_path])
