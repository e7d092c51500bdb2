"""One-step prediction with the truth as context: what fidelity and the simulator's gate both measure.

A turn is right when the predicted observation equals the real one character
for character. The baseline to beat repeats the last observation.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.training.judge import overlap_f1
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import Template, parse_answer, turn_messages
from agentworld_dag.trajectories.schema import Trajectory

Mode = Literal["ledger", "history"]


@dataclass(frozen=True)
class Place:
    """One turn of one trajectory."""

    trajectory: Trajectory
    turn_index: int

    @property
    def truth(self) -> str:
        return self.trajectory.turns[self.turn_index].observation or ""

    def last_observation(self, first_observation: str) -> str:
        """What was on the screen before the action."""
        return (self.trajectory.turns[self.turn_index - 1].observation or "") if self.turn_index else first_observation


def sample_places(trajectories: Sequence[Trajectory], count: int, seed: int) -> list[Place]:
    """Up to `count` turns, drawn without replacement over all trajectories."""
    places = [Place(trajectory, index) for trajectory in trajectories for index in range(len(trajectory.turns))]
    if not places:
        raise TrajectoryError("the split holds no turns to predict; collect more episodes or enlarge its share")
    return random.Random(seed).sample(places, min(count, len(places)))


def predict(
    engine: Engine,
    encoder: ChatEncoder,
    places: Sequence[Place],
    mode: Mode,
    template: Template,
    temperature: float,
    max_new_tokens: int,
    reasons: bool = True,
) -> list[str | None]:
    """The predicted observation of each place; None where the answer cannot be taken apart."""
    turns = (turn_messages(place.trajectory, place.turn_index, mode, template)[0] for place in places)
    prompts = encoder.prompts(turns, thinking=reasons)
    texts = encoder.tokenizer.batch_decode(engine.generate_batch(prompts, max_new_tokens, temperature))
    if not reasons:
        return list(texts)
    answers = [parse_answer(text) for text in texts]
    return [answer.observation if answer else None for answer in answers]


def exact_share(places: Sequence[Place], predictions: Sequence[str | None]) -> float:
    """Share predicted character for character; an unusable answer is a failure."""
    return sum(p == place.truth for place, p in zip(places, predictions, strict=True)) / len(places)


def changed_f1(prediction: str | None, truth: str, last_observation: str) -> float:
    """F1 of the lines that differ from the last observation; 0 for an unusable answer (paper.md metric 3)."""
    if prediction is None:
        return 0.0
    return overlap_f1(_changes(last_observation, prediction), _changes(last_observation, truth))


def _changes(before: str, after: str) -> list[str]:
    old, new = before.split("\n"), after.split("\n")
    return [f"+{line}" for line in _minus(new, old)] + [f"-{line}" for line in _minus(old, new)]


def _minus(lines: list[str], others: list[str]) -> list[str]:
    left = list(others)
    kept = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            kept.append(line)
    return kept
