"""How an LLM judge is asked and how its answer is read."""

from collections.abc import Callable
from dataclasses import dataclass

from agentworld_dag.benchmark.rubric import RUBRIC_VERSION, judge_messages
from agentworld_dag.benchmark.samples import BenchSample, Message
from agentworld_dag.training.judge import Rubric, parse_rubric


@dataclass(frozen=True)
class JudgePrompts:
    """One set of prompts. Judgements of different sets lie in different folders and are never compared."""

    version: str
    messages: Callable[[BenchSample, str, str], list[Message]]
    """From a sample, its prediction and its truth."""
    scores: Callable[[str], Rubric]
    """From an answer without its reasoning. Raises ValueError unless it gives five integers from 1 to 5."""
    warnings: tuple[str, ...] = ()

    def judge(self, model: str) -> str:
        """The judge that a model is with these prompts."""
        return model if self.version == RUBRIC_VERSION else f"{model}-{self.version}"


OWN = JudgePrompts(RUBRIC_VERSION, judge_messages, parse_rubric)
