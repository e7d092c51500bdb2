"""The preset's section `plan`: what `agentworld plan` assumes that no stage's settings say.

Nothing here changes what a stage does. A field belongs elsewhere as soon as a
stage reads it.
"""

from typing import Annotated, Literal

from pydantic import Field

from agentworld_dag.settings import Count, Rate, Section

NoneOrMore = Annotated[float, Field(ge=0.0)]
Utilisation = Annotated[float, Field(gt=0.0, le=1.0)]


class Gpu(Section):
    name: str
    memory_gib: Rate
    tflops: Rate
    """Peak of dense products in bfloat16."""
    gather_gb_s: Rate
    """10^9 bytes a second that each GPU of a stage receives while all gather what the others hold."""


class Bytes(Section):
    """Of one weight, sharded over all GPUs of a stage."""

    weight: Literal[2, 4]
    gradient: Literal[2, 4]
    master: Literal[0, 4]
    """A float32 copy beside weights in two bytes."""
    moment: Literal[1, 2, 4]
    """Each of AdamW's two, or Muon's one."""


class Mfu(Section):
    """Floating-point operations of the model over those of the hardware's peak (PaLM, arXiv 2204.02311, appendix B)."""

    training: Utilisation
    reading: Utilisation
    """Of prompts, all tokens at once."""
    writing: Utilisation
    """Token by token."""


class Lengths(Section):
    """Mean tokens."""

    sample: Count
    """Of SFT and imitation."""
    world_model_prompt: Count
    agent_episode: Count


class Rollouts(Section):
    """How RL generates."""

    separate: bool
    """Whether an engine holds weights of its own (vLLM); otherwise the weights in training generate."""
    engine_gpus: Count
    """That share one copy of a simulator's weights; those of the policy, `generation.tensor_parallel` says."""
    bytes: Literal[1, 2, 4]
    """Of a weight, a key or a value there."""
    sequences: Count
    """That one engine generates at once."""


class Plan(Section):
    gpu: Gpu | None
    """Null where no stage asks for one."""
    node_tflops: Rate
    """Of a node's processor, for stages that ask for no GPU."""
    bytes: Bytes
    sequence_gpus: Count
    """GPUs that share one sequence in training (context or sequence parallelism)."""
    rollouts: Rollouts
    lengths: Lengths
    mfu: Mfu
    reserved_gib: NoneOrMore
    """Per GPU: driver, communication buffers, fragments."""
