"""The predicted observation in what a model wrote.

Reasoning is a prefix, a marker stands at the start, a tag wraps the whole
answer: nothing is taken out of the middle, so an observation may hold any of
them as text. Some actions are answered with nothing: a marker or a tag with
nothing behind it says so and is an answer. Silence is none, since it cannot be
told from a model that ran out of tokens.
"""

from agentworld_dag.trajectories.agentworldbench import OBSERVATION_MARKER

TAG = "predicted_observation"
"""Some models wrap their answer in it."""
OPEN, CLOSE = "<think>", "</think>"


def predicted_observation(written: str) -> str | None:
    """The observation; None when the reasoning never ends or nothing at all follows it."""
    answer = after_reasoning(written)
    return observation(_unwrapped(answer)) if answer else None


def after_reasoning(written: str) -> str:
    """What follows the reasoning; empty when that never ends."""
    text = written.strip()
    opened, reasoning, rest = text.startswith(OPEN), *text.partition(CLOSE)[::2]
    if opened and len(reasoning) == len(text):
        return ""
    return rest.strip() if opened or (CLOSE in text and OPEN not in reasoning) else text


def observation(text: str) -> str:
    """A response without the marker at its start."""
    return text.strip().removeprefix(OBSERVATION_MARKER).strip()


def _unwrapped(text: str) -> str:
    start, end = f"<{TAG}>", f"</{TAG}>"
    return text.removeprefix(start).removesuffix(end).strip() if text.startswith(start) else text
