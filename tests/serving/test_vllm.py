"""A real vLLM server, where `make vllm` or a machine with GPUs has one; skipped otherwise.

A random model of the tiny preset's size in float32 on both sides. Two of its
tokens can be almost equally likely, and then another order of sums decides:
what differs is held to such ties.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Policy, run_policy
from agentworld_dag.config import load_preset
from agentworld_dag.environments.tasks import make_task
from agentworld_dag.evaluation.free_running import free_run
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.serving.server import PYTHON
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.in_process import InProcessEngine, load_engine
from agentworld_dag.simulator.simulated import Settings, SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.training.base_model import random_model
from agentworld_dag.training.checkpoints import load_tokenizer, save_checkpoint
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import turn_messages
from agentworld_dag.trajectories.schema import SystemPrompt
from tests.serving.fake_vllm import settings
from tests.small_loop import make_trajectory, small_preset

ROOT = Path(__file__).parents[2]
INTERPRETER = Path(os.environ.get(PYTHON) or Path(os.environ.get("VENV_VLLM", ROOT / ".venv-vllm")) / "bin/python")
LENGTH = 24
TIE = 1e-3
"""Largest difference of two log-probabilities that another order of sums may turn round."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INTERPRETER.is_file(), reason=f"no vLLM at {INTERPRETER}; `make vllm` makes one"),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    tokenizer = load_tokenizer(base / "checkpoint")
    size = load_preset(ROOT / "infra" / "presets" / "tiny.yaml").model
    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    save_checkpoint(random_model(size, tokenizer, seed=0), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def local(checkpoint: Path) -> InProcessEngine:
    return load_engine(checkpoint, 0)


@pytest.fixture(scope="module")
def served(checkpoint: Path) -> Iterator[Engine]:
    chosen = settings(start_timeout_s=600, options=("--enforce-eager",))  # compiling takes longer than these tests
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PYTHON, str(INTERPRETER))
        with open_engine(checkpoint, 0, chosen) as engine:
            yield engine


@pytest.fixture(scope="module")
def prompts(local: InProcessEngine) -> list[list[int]]:
    encoder = ChatEncoder(local.tokenizer)
    places = [Place(make_trajectory(number), turn) for number in range(40) for turn in range(3)]
    return encoder.prompts(turn_messages(p.trajectory, p.turn_index, "history", "compact")[0] for p in places)


def test_greedy_answers_agree_but_for_ties(served: Engine, local: InProcessEngine, prompts: list[list[int]]) -> None:
    theirs, ours = (engine.generate_batch(prompts, LENGTH, 0.0) for engine in (served, local))
    differing = [(p, a, b) for p, a, b in zip(prompts, theirs, ours, strict=True) if a != b]
    assert len(differing) <= 0.05 * len(prompts)
    for prompt, their, our in differing:
        first = next(i for i in range(LENGTH) if their[i : i + 1] != our[i : i + 1])
        choices = [ids[first : first + 1] or [local.tokenizer.eos_token_id] for ids in (their, our)]
        [(one,), (other,)] = local.log_probabilities([prompt + our[:first]] * 2, choices, LENGTH)
        assert abs(one - other) < TIE


def test_log_probabilities_agree(served: Engine, local: InProcessEngine, prompts: list[list[int]]) -> None:
    answers = local.generate_batch(prompts, LENGTH, 1.0)
    theirs, ours = (engine.log_probabilities(prompts, answers, LENGTH) for engine in (served, local))
    for their, our in zip(theirs, ours, strict=True):
        assert their == pytest.approx(our, abs=TIE)


def test_sampling_follows_the_seed(served: Engine, prompts: list[list[int]]) -> None:
    def sample(seed: int) -> list[list[int]]:
        served.seed(seed)
        return served.generate_batch(prompts[:8], LENGTH, 1.0)

    assert sample(1) == sample(1) != sample(2)


def test_the_longest_prompt_and_answer_fit(served: Engine) -> None:
    room = served.window.room(LENGTH)
    served.log_probabilities([[5] * room], [[6] * LENGTH], LENGTH)
    assert len(served.generate_batch([[5] * room], LENGTH, 0.0)[0]) <= LENGTH


def test_a_simulator_and_an_agent_work_through_it(served: Engine) -> None:
    encoder = ChatEncoder(served.tokenizer)
    chosen = Settings("history", 0.0, LENGTH, "compact", SystemPrompt("", ""), "~$", reasons=False)
    episodes = [make_trajectory(number) for number in range(6)]
    answered = free_run([(SimulatedEnvironment(served, encoder, chosen), episode) for episode in episodes])
    assert all(answer.observation is not None for answers in answered for answer in answers)
    policy = Policy(served, AgentEncoder(served.tokenizer), small_preset().agent, 1.0)
    tasks = [make_task("train", number) for number in range(6)]
    rollouts = run_policy(policy, lambda: SimulatedEnvironment(served, encoder, chosen), tasks, seed=0)
    assert [rollout.task for rollout in rollouts] == tasks
    assert not any(rollout.failure for rollout in rollouts)
