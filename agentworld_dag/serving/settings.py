"""The preset's section `serving`: where checkpoints answer, and in how long a context.

Which interpreter has vLLM is the machine's business: `AGENTWORLD_VLLM_PYTHON`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agentworld_dag.settings import Count, Rate, Section


class Serving(Section):
    engine: Literal["in_process", "vllm"]
    """In the stage's own process, in float32; or a vLLM server beside it, which the stage starts and stops."""
    max_tokens: Count | None
    """Of a prompt and its answer; null means what the checkpoint was made for."""
    dtype: Literal["float32", "bfloat16", "float16"]
    """A server's arithmetic."""
    url: str | None
    """A vLLM server that runs already, up to and including /v1. It answers for the checkpoint that it has loaded; for
    others a server is started all the same. Its key comes from `AGENTWORLD_MODEL_API_KEY`."""
    memory_share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of a GPU, that one started server may take. Some stages have two, practice one beside a model that trains."""
    at_once: Count
    """Most prompts sent and not yet answered."""
    start_timeout_s: Rate
    """Loading and compiling a model takes minutes."""
    answer_timeout_s: Rate
    options: tuple[str, ...]
    """Of `vllm serve`, on top of ours and stronger: --tensor-parallel-size=8."""

    @model_validator(mode="after")
    def _url_is_one(self) -> Self:
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url {self.url!r}, expected a base address like http://localhost:8000/v1")
        return self
