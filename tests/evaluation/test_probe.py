"""Probes of a real shell; the simulators are a real tiny model, or say one thing always."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.environments import images
from agentworld_dag.environments.explorers import Explorer
from agentworld_dag.errors import ConfigError, SandboxError
from agentworld_dag.evaluation import paired, probe
from agentworld_dag.simulator import bundle
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.parquet import read_trajectories
from tests.evaluation.constant_simulator import PROMPT, UNUSABLE, constant, shares, use_constant_simulators
from tests.small_loop import base, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]

FIRST = 10**12


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def constants(monkeypatch: pytest.MonkeyPatch, base: Path, tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """Inputs of a probe, by name what each simulator always says."""
    use_constant_simulators(monkeypatch, probe, base / "checkpoint")
    return lambda **says: {name: constant(tmp_path / "simulators" / name, said) for name, said in says.items()}


@pytest.fixture
def probing(stage: Callable[..., Stage]) -> Callable[..., Stage]:
    """Builds the stage of a probe."""

    def build(inputs: dict[str, Path], first: int = FIRST, name: str = "probe", **sections: object) -> Stage:
        agent = small_preset().agent.model_copy(update={"max_new_tokens": 8})
        running = stage(name, inputs, agent=agent, **sections)
        running.options["first_episode"] = str(first)
        return running

    return build


def scores(running: Stage) -> dict[str, list[float]]:
    return json.loads((running.out / "scores.json").read_text())


def test_a_real_model_and_no_agent(probing, stage, base: Path, splits: Path) -> None:
    simulator = stage("simulator", {"world_model_rl": base, "trajectory_splits": splits})
    bundle.write_simulator(simulator, base / "checkpoint", read_trajectories(splits / "sft.parquet")[0].system)
    running = probing({"simulator": simulator.out})
    found = probe.work(running)
    episodes = read_trajectories(running.out / "episodes.parquet")
    rows = pl.read_parquet(running.out / "answers.parquet")
    turns = sum(len(episode.turns) for episode in episodes)
    assert found["episodes"] == len(episodes) == len(scores(running)["terminal"]) == 8
    assert dict(rows["regime"].value_counts().iter_rows())["one_step"] == found["fidelity"]["champion"]["n"] == turns
    assert found["self_fed_fidelity"]["champion"]["clusters"] == 3
    assert found["died_share"] == 0.0
    assert found["environments"] == {"1": 8}
    assert found["lead"] == {"world-model": {}}
    assert "agent_success" not in found
    running.meter.record()
    assert running.meter.total().tokens > 0


def test_scores_are_the_exact_share_of_each_episode(probing, constants) -> None:
    running = probing(constants(simulator=PROMPT))
    found = probe.work(running)
    expected = shares(read_trajectories(running.out / "episodes.parquet"), PROMPT)
    assert 0 < sum(expected) < len(expected)
    assert scores(running) == {"terminal": pytest.approx(expected, abs=1e-6)}
    answers = pl.read_parquet(running.out / "answers.parquet").filter(regime="one_step")
    assert found["fidelity"]["champion"]["value"] == pytest.approx(answers["exact"].mean())


def test_the_champions_before_answer_the_same_episodes_and_tasks(probing, constants, base: Path) -> None:
    simulators = constants(simulator=UNUSABLE, previous_simulator=PROMPT)
    running = probing(simulators | {"agent": base, "previous_agent": base})
    found = probe.work(running)
    expected = shares(read_trajectories(running.out / "episodes.parquet"), PROMPT)
    assert scores(running) == {"terminal": [0.0] * 8}
    lead = found["lead"]["world-model"]
    assert lead == pytest.approx(paired.lead([-share for share in expected]))
    assert lead["chance"] < 0.5
    assert found["fidelity"]["difference"]["value"] == -found["fidelity"]["previous"]["value"] < 0
    assert found["lead"]["agent-policy"] == {"value": 0.0, "chance": 1.0, "n": 3}
    assert found["agent_success"]["champion"]["n"] == found["agent_success"]["previous"]["n"] == 3


def test_an_agent_without_one_before_it(probing, constants, base: Path) -> None:
    found = probe.work(probing(constants(simulator=PROMPT) | {"agent": base}))
    assert set(found["agent_success"]) == {"champion"}
    assert found["lead"] == {"world-model": {}, "agent-policy": {}}


def test_the_number_alone_decides_which_episodes_and_tasks(probing) -> None:
    preset = small_preset()

    def played(first: int) -> list[tuple[str, list[str]]]:
        return [(e.id, [t.action for t in e.turns]) for e in probe.fresh_episodes(preset, first, 4)]

    again, other = played(FIRST), played(FIRST + 1000)
    assert again == played(FIRST)
    assert not {name for name, _ in again} & {name for name, _ in other}
    assert not any(actions in [each for _, each in other] for _, actions in again)


def test_another_seed_gives_the_same_episodes(probing, constants) -> None:
    inputs = constants(simulator=PROMPT)
    one, other = probing(inputs), probing(inputs, name="other")
    other.seed = 7
    for running in (one, other):
        probe.work(running)
    assert scores(one) == scores(other)


def test_an_installed_image_shows_in_the_environments(probing, constants, home: Path) -> None:
    inputs = constants(simulator=PROMPT)
    plain = probe.work(probing(inputs))
    images.install("talkative", home / "terminal-image")
    changed = probe.work(probing(inputs, name="changed"))
    assert plain["environments"] == {"1": 8}
    assert changed["environments"] == {"1+talkative": 8}


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """From here on every explorer kills its shell with this action, counted from the first of all."""

    def arm(every: int) -> None:
        acted: list[int] = []
        act = Explorer.act

        def deadly_act(self: Explorer, state: str) -> str:
            acted.append(0)
            return "kill -9 $$" if len(acted) % every == 0 else act(self, state)

        monkeypatch.setattr(Explorer, "act", deadly_act)

    return arm


def test_dead_sessions_are_left_out(deadly) -> None:
    deadly(30)
    episodes = probe.fresh_episodes(small_preset(), FIRST, 12)
    assert 6 <= len(episodes) < 12
    assert all(turn.observation is not None for episode in episodes for turn in episode.turns)


def test_the_share_of_dead_sessions_is_told(probing, constants, deadly) -> None:
    inputs = constants(simulator=PROMPT)
    deadly(12)
    found = probe.work(probing(inputs))
    assert 0 < found["died_share"] <= 0.5
    assert found["died_share"] == 1 - found["episodes"] / small_preset().probe.episodes


def test_a_mass_death_stops_the_probe_and_names_a_reason(deadly) -> None:
    deadly(1)
    with pytest.raises(SandboxError, match=r"of 8 fresh sessions died, one with: \S.*must live to the end"):
        probe.fresh_episodes(small_preset(), FIRST, 8)


@pytest.mark.parametrize("given", [{}, {"first_episode": ""}, {"first_episode": "-1"}, {"first_episode": "soon"}])
def test_a_missing_number_is_one_clear_error(probing, given: dict[str, str]) -> None:
    running = probing({})
    running.options = given
    with pytest.raises(ConfigError, match=r"--option first_episode=.*: expected the number of the first episode"):
        probe.work(running)
