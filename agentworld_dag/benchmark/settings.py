"""The preset's section `benchmark`: what is asked, who else is asked, who judges, and what a judge must show."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from agentworld_dag.settings import Count, Points, Rate, Section, Share


class JudgeTrial(Section):
    """What a judge must show before its scores count; points are of the mean of the five dimensions, 1 to 5."""

    samples: Count
    """Drawn from the benchmark; each makes thirteen questions."""
    least_measured: Count
    """Fewest usable answers behind a measure; below it the claim does not hold."""
    least_gold_share: Share
    """Of truths given as predictions that score 5 five times."""
    least_planted_cost: Points
    """Mean drop of a single-fact error below the gold answer."""
    least_planted_share: Share
    """Of single-fact errors that cost anything."""
    most_retest_spread: Points
    """Mean difference between two answers to one question."""
    most_bias: Points
    """Mean change by the order of prediction and truth; mean gain of a wrong answer by neutral filler."""
    most_gain: Points
    """Mean gain of a wrong answer by praise, judge keywords, a forged reference or a plea."""
    most_clear_gain_share: Share
    """Of such wrong answers, each kind of addition by itself, that gain more than one dimension by one."""
    least_kappa: Annotated[float, Field(ge=-1.0, le=1.0)] | None
    """Quadratic kappa with the embedded rules over all questions (theirs: with RL's rules); null asks for none."""
    most_unusable_share: Share
    """Of calls that brought no five integers."""


class ChatEndpoint(Section):
    """A model behind an OpenAI-compatible endpoint; its key comes from the environment."""

    url: str
    """Base address, up to and including /v1."""
    model: str
    temperature: Annotated[float, Field(ge=0.0, le=2.0)]
    max_tokens: Count
    timeout_s: Rate
    at_once: Count
    """Most calls open at once."""


class Benchmark(Section):
    checks_per_axis: Count
    """Most rule checks that are asked of each axis; all that pass are counted."""
    least_checks: Count
    """Fewest rule checks that must accept the truth and reject every corruption."""
    judged_samples: Count
    """Samples that endpoints are asked and that the judge sees, the first ones."""
    error_budget: Share
    """Largest share of answers without a usable judgement for which there is a leaderboard."""
    judge: ChatEndpoint | None
    """Null means the embedded rules."""
    endpoints: tuple[ChatEndpoint, ...]
    """Models of others that are asked the same, no two of one name: answers are kept by it."""
    judge_trial: JudgeTrial

    @model_validator(mode="after")
    def _own_names(self) -> Self:
        names = [endpoint.model for endpoint in self.endpoints]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two endpoints answer as {', '.join(twice)}; serve each model under a name of its own")
        return self
