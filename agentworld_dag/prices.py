"""The preset's section `prices`: what a user pays for machines, and for tokens to who answers at an endpoint."""

from typing import Annotated

from pydantic import Field

from agentworld_dag.settings import Section

Price = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Prices(Section):
    currency: str
    cpu_core_hour: Price
    """Of processor time, not of a core that waits."""
    gpu_hour: Price
    """Of one GPU that a stage can see, used or not."""
    million_prompt_tokens: Price
    """Sent to endpoints; models in our own processes cost machine time alone."""
    million_completion_tokens: Price
