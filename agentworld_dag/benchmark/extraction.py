"""The predicted observation in what a model wrote.

Reasoning is a prefix, a marker stands at the start, a tag wraps the whole
answer: nothing is taken out of the middle, so an observation may hold any of
them as text. An empty answer cannot be told from none and counts as none.
"""

from agentworld_dag.trajectories.agentworldbench import OBSERVATION_MARKER

TAG = "predicted_observation"
"""Some models wrap their answer in it."""
OPEN, CLOSE = "<think>", "</think>"


def predicted_observation(written: str) -> str | None:
    """The observation; None when the reasoning never ends or nothing follows it."""
    text = written.lstrip()
    opened, reasoning, rest = text.startswith(OPEN), *text.partition(CLOSE)[::2]
    if opened and len(reasoning) == len(text):
        return None
    if opened or (CLOSE in text and OPEN not in reasoning):
        text = rest
    return observation(_unwrapped(text.strip())) or None


def observation(text: str) -> str:
    """A response without the marker at its start."""
    return text.strip().removeprefix(OBSERVATION_MARKER).strip()


def _unwrapped(text: str) -> str:
    start, end = f"<{TAG}>", f"</{TAG}>"
    return text.removeprefix(start).removesuffix(end).strip() if text.startswith(start) else text
