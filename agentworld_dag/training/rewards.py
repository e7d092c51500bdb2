"""The hybrid reward of the world model's RL stage (paper section 3.4.1).

    reward = w * rubric + (1 - w) * rule,   both in [0, 25], w = 0.9 by default

An answer that cannot be used (no closed reasoning, a patch that does not
apply) earns 0. One that the judge failed to score has no reward and takes no
part in its group. The judge sees action, prediction and truth, never the
reasoning; the rule alone checks the patch, because a ledger depends on it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agentworld_dag.errors import TrajectoryError
from agentworld_dag.training.chat_judge import ChatJudge
from agentworld_dag.training.judge import Rubric, judge_by_rules, overlap_f1
from agentworld_dag.trajectories import patch
from agentworld_dag.trajectories.render import Answer, parse_answer

FULL_REWARD = 25.0  # paper 3.4.1: rubric mean x 5, rule scaled to the same range


@dataclass(frozen=True)
class Truth:
    """What really happened at one turn."""

    state_before: str
    action: str
    state_patch: str
    observation: str


def usable_answer(text: str, state_before: str) -> Answer | None:
    """The answer in `text`, or None when it cannot drive a simulator."""
    answer = parse_answer(text)
    if answer is None:
        return None
    try:
        patch.apply(state_before, answer.state_patch)
    except TrajectoryError:
        return None
    return answer


def rule_score(answer: Answer, truth: Truth) -> float:
    """Share of the checkable facts that are right: exact observation, changed part, format; 0 to 1."""
    exact = answer.observation == truth.observation
    changed = overlap_f1(answer.state_patch.splitlines(), truth.state_patch.splitlines())
    well_formed = answer.observation[-1:] == truth.observation[-1:]
    return (exact + changed + well_formed) / 3


def hybrid_rewards(
    texts: Sequence[str], truths: Sequence[Truth], rubric_weight: float, judge: ChatJudge | None
) -> list[float | None]:
    """One reward per generated text, in [0, 25]; None where the judge failed on a usable answer."""
    answers = [usable_answer(text, truth.state_before) for text, truth in zip(texts, truths, strict=True)]
    rubrics = _rubrics(answers, truths, judge)
    return [
        _mix(answer, truth, rubric, rubric_weight)
        for answer, truth, rubric in zip(answers, truths, rubrics, strict=True)
    ]


def neutral_where_unscored(rewards: Sequence[float | None], truths: Sequence[Truth]) -> list[float]:
    """Rewards whose gaps hold the mean of what was scored for the same truth, an advantage of 0 in its group."""
    scored = defaultdict[Truth, list[float]](list)
    for reward, truth in zip(rewards, truths, strict=True):
        if reward is not None:
            scored[truth].append(reward)
    means = {truth: sum(group) / len(group) for truth, group in scored.items()}
    return [means.get(truth, 0.0) if reward is None else reward for reward, truth in zip(rewards, truths, strict=True)]


def _rubrics(
    answers: Sequence[Answer | None], truths: Sequence[Truth], judge: ChatJudge | None
) -> Sequence[Rubric | None]:
    if judge is None:
        return [a and judge_by_rules(a.observation, t.observation) for a, t in zip(answers, truths, strict=True)]
    asked = [(i, a) for i, a in enumerate(answers) if a is not None]
    scores = judge.score([(truths[i].action, a.observation, truths[i].observation) for i, a in asked])
    by_index = {i: score for (i, _), score in zip(asked, scores, strict=True)}
    return [by_index.get(i) for i in range(len(answers))]


def _mix(answer: Answer | None, truth: Truth, rubric: Rubric | None, rubric_weight: float) -> float | None:
    if answer is None:
        return 0.0
    if rubric is None:
        return None
    mean = sum(rubric.values()) / len(rubric)
    return rubric_weight * mean * 5 + (1 - rubric_weight) * FULL_REWARD * rule_score(answer, truth)
