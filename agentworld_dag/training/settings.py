"""The preset's sections of what trains: the model, and the stages that change its weights."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agentworld_dag.settings import Count, Rate, Section, Share, Temperature


class Experts(Section):
    """Of a mixture: every block of the model has `count` of size `feed_forward_size`, and a router."""

    count: Count
    active: Count
    """To which each token goes."""
    shared_feed_forward_size: Annotated[int, Field(ge=0)]
    """Of the expert that sees every token; 0 where there is none."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.active > self.count:
            raise ValueError(f"{self.active} experts active, there are {self.count}")
        return self


class LinearAttention(Section):
    """Qwen3.5's hybrid: gated delta rule in most layers, in the others full attention with an output gate."""

    full_every: Count
    """Of so many layers in a row the last one has full attention."""
    key_heads: Count
    value_heads: Count
    head_size: Count
    kernel: Count
    """Tokens that the convolution before it sees."""


class Model(Section):
    """A small Qwen3 built from scratch, or a real checkpoint and what is in it.

    With `checkpoint` set the stages take that model as it is, and the sizes are what `agentworld plan` counts with.
    """

    checkpoint: Annotated[str, Field(min_length=1)] | None
    """A folder, or an id of the model hub: Qwen/Qwen3-0.6B-Base, with `@` and a revision if wanted."""
    vocab_size: Count
    hidden_size: Count
    layers: Count
    heads: Count
    kv_heads: Count
    """Heads of keys and values, each of which `heads / kv_heads` queries share."""
    head_size: Count
    feed_forward_size: Count
    """Of a layer's one block, or of each expert."""
    tied_embeddings: bool
    """Whether one matrix serves input and output."""
    experts: Experts | None
    linear_attention: LinearAttention | None
    max_tokens: Count
    rope_theta: Rate
    initial_scale: Rate
    """Standard deviation of untrained weights."""
    template: Literal["compact", "full"]
    """How prompts are rendered (`trajectories.render`): compact for tiny models, full for pretrained ones."""

    @model_validator(mode="after")
    def _can_be_had(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads {self.kv_heads} does not divide heads {self.heads}")
        if self.checkpoint is None and (self.experts or self.linear_attention):
            raise ValueError("experts and linear_attention are not built from scratch: name a checkpoint")
        return self


class Lora(Section):
    rank: Count
    alpha: Count
    """The adapters' part is scaled by alpha / rank."""


class Supervised(Section):
    """One next-token stage: CPT, SFT or imitation."""

    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    steps: Count
    tokens_per_step: Count
    passes_per_step: Count
    """Forward and backward passes whose gradients add up to one step."""
    threads: Count
    """Intra-op threads of this stage, in place of the preset's: the graph has stages beside which a core is idle."""
    save_every_steps: Count
    lora: Lora | None
    """Null trains all weights."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_lora(self)
        return self


class WorldModelCpt(Supervised):
    packed_tokens: Count
    """Length of the rows that trajectories are packed into; a longer one is cut."""
    packing: Literal["joined", "separate"]
    """Whether a trajectory sees those before it in its row."""


class WorldModelSft(Supervised):
    history_share: Share
    """Share of samples that show plain history instead of the state ledger."""
    rehearsal_share: Share
    """Share of samples, the first ones, whose trace is the whole next state instead of its patch."""


class Generation(Section):
    """What writes the answers that RL trains on. TRL hands it the weights after every step."""

    engine: Literal["transformers", "colocate", "server"]
    """The model in training itself, vLLM in the same process, or `trl vllm-serve`."""
    url: str | None
    """Of that server."""
    memory_share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of a GPU, that a vLLM in the same process may take while it writes."""
    max_tokens: Count | None
    """Its context; null means the checkpoint's own."""
    tensor_parallel: Count
    """Processes whose GPUs share one copy of it, where it is in the same process; a server knows its own."""

    @model_validator(mode="after")
    def _a_server_has_an_address(self) -> Self:
        if (self.engine == "server") != (self.url is not None):
            raise ValueError(f"engine {self.engine!r} with url {self.url!r}: a server has one, nothing else does")
        return self


class GroupRl(Section):
    """RL whose baseline is the mean of a group: GSPO of the world model, GRPO of the agent."""

    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    steps: Count
    group_size: Annotated[int, Field(ge=2)]
    passes_per_step: Count
    """Forward and backward passes over a step's rows; their number must divide the number of rows."""
    temperature: Temperature
    save_every_steps: Count
    lora: Lora | None
    """Null trains all weights."""
    generation: Generation

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_lora(self)
        return self


class WorldModelRl(GroupRl):
    """One turn per trajectory (paper section 3.4)."""

    prompts_per_step: Count
    max_new_tokens: Count
    rubric_weight: Share
    """Weight of the rubric; the rule gets the rest. Paper: 9:1."""
    judge_url: str | None
    """An OpenAI-compatible endpoint; null means the embedded reference-grounded rule judge."""
    judge_model: str | None

    @model_validator(mode="after")
    def _equal_passes(self) -> Self:
        check_passes(self, self.prompts_per_step)
        return self


def check_lora(settings: Supervised | GroupRl) -> None:
    if settings.lora and settings.optimizer == "muon":
        raise ValueError("optimizer muon is for whole weights: with lora, choose adamw")


def check_passes(settings: GroupRl, groups_per_step: int) -> None:
    rows = groups_per_step * settings.group_size
    if rows % settings.passes_per_step:
        raise ValueError(f"passes_per_step {settings.passes_per_step} does not divide the {rows} rows of a step")
