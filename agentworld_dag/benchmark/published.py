"""Scores that others published, to be shown beside ours and never in one column with them.

AgentWorldBench macro averages (paper, Table 5, judge GPT-5.2, 2,170 rows of
seven domains) and rule-suite accuracies (Table 10), as a digest of the paper
gives them, names shortened there. The first row's own cells average to 58.76,
and the official script would print the micro average. Samples, domains and
judge differ from ours.
"""

from dataclasses import dataclass

SOURCE = "arXiv 2606.24597, Tables 5 and 10, as published"


@dataclass(frozen=True)
class Published:
    """Percent of the scale; None where the tables name no value."""

    model: str
    macro: float | None
    rules: float | None
    terminal: float | None = None


PUBLISHED = (
    Published("Qwen-AgentWorld-397B", 58.71, 67.12, 57.73),
    Published("GPT-5.4", 58.25, 72.93),
    Published("Claude Opus 4.6", 57.80, 70.72),
    Published("Claude Opus 4.8", 56.59, None),
    Published("Qwen-AgentWorld-35B-A3B", 56.39, 57.28, 53.96),
    Published("Claude Sonnet 4.6", 56.04, 67.57),
    Published("Qwen3.5-397B", 54.74, 60.04),
    Published("Gemini 3.1 Pro", 54.57, 66.22),
    Published("Kimi K2.6", 53.42, None),
    Published("DeepSeek V4 Pro", 52.97, None),
    Published("Qwen3.6-Max", 52.42, None),
    Published("GLM 5.1", 51.31, None),
    Published("Qwen3.6-Plus", 50.81, None),
    Published("Qwen3.5-35B-A3B", 47.73, 48.21),
    Published("MiniMax", 46.12, None),
    Published("Qwen3.6-35B-A3B", 42.88, None),
)
