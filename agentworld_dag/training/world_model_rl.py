"""Stage 3, reinforcement learning of the world model with GSPO (paper section 3.4).

    python -m agentworld_dag.training.world_model_rl --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_sft=DIR --input trajectory_splits=DIR --out DIR

One turn per trajectory, so that no two prompts share a prefix (paper's "Echo
Trap"). Sequence-level importance ratio, no KL term, hybrid reward. Without a
judge endpoint in the preset the rubric comes from the embedded
reference-grounded rule judge.
"""

import os
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, set_seed
from trl.trainer.grpo_config import GRPOConfig

from agentworld_dag.errors import ConfigError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.adapters import with_adapters
from agentworld_dag.training.chat_judge import ChatJudge, CountCalls, judge_endpoint
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.group_trainer import GroupTrainer
from agentworld_dag.training.labelled_head import score_labels_only
from agentworld_dag.training.loop import train_to_end
from agentworld_dag.training.optimizer import optimizers
from agentworld_dag.training.rewards import FULL_REWARD, Truth, hybrid_rewards, neutral_where_unscored
from agentworld_dag.training.settings import WorldModelRl
from agentworld_dag.training.trainer_arguments import group_arguments
from agentworld_dag.training.weights import save_trained
from agentworld_dag.trajectories import patch
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import Template, state_before, turn_messages
from agentworld_dag.trajectories.schema import Trajectory

UNSCORED = "unscored"
"""Share of a step's answers that the judge failed on."""


def work(stage: Stage) -> dict[str, Any]:
    settings = stage.preset.world_model_rl
    model, tokenizer = load_checkpoint(stage.inputs["world_model_sft"] / "checkpoint")
    trajectories = read_trajectories(stage.inputs["trajectory_splits"] / "rl.parquet")
    set_seed(stage.seed)
    trainer = GroupTrainer(
        model=with_adapters(model, settings.lora),
        args=_arguments(stage, settings),
        reward_funcs=reward_function(tokenizer, stage),
        train_dataset=Dataset.from_list(one_turn_each(trajectories, stage.preset.model.template, stage.seed)),
        processing_class=tokenizer,
        optimizers=optimizers(model, settings.optimizer, settings.learning_rate),
    )
    score_labels_only(model, settings.temperature)
    train_to_end(trainer, stage)
    save_trained(trainer, stage, tokenizer)
    return _summary(trainer.state.log_history, settings, len(trajectories))


def one_turn_each(trajectories: list[Trajectory], template: Template, seed: int) -> list[dict[str, Any]]:
    """Rows of (prompt messages, truth), one seeded turn from each trajectory."""
    draw = random.Random(seed)
    rows = []
    for trajectory in trajectories:
        index = draw.randrange(len(trajectory.turns))
        prompt, _ = turn_messages(trajectory, index, "ledger", template)
        turn, before = trajectory.turns[index], state_before(trajectory, index)
        rows.append(
            {
                "prompt": prompt,
                "state_before": before,
                "action": turn.action,
                "state_patch": patch.diff(before, turn.state or ""),
                "observation": turn.observation or "",
            }
        )
    return rows


def reward_function(tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Any:
    """The hybrid reward as TRL calls it: from token ids, because decoding for display drops the tags."""
    settings = stage.preset.world_model_rl
    judge = _judge(settings, partial(_count_calls, stage))

    def hybrid(
        completion_ids: list[list[int]],
        state_before: list[str],
        action: list[str],
        state_patch: list[str],
        observation: list[str],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float]:
        texts = [str(tokenizer.decode(ids)).removesuffix(str(tokenizer.eos_token)) for ids in completion_ids]
        truths = [Truth(*facts) for facts in zip(state_before, action, state_patch, observation, strict=True)]
        rewards = hybrid_rewards(texts, truths, settings.rubric_weight, judge)
        log_metric(UNSCORED, rewards.count(None) / len(rewards))
        return neutral_where_unscored(rewards, truths)

    return hybrid


def _judge(settings: WorldModelRl, count_calls: CountCalls) -> ChatJudge | None:
    if settings.judge_url is None:
        return None
    if settings.judge_model is None:
        raise ConfigError("world_model_rl.judge_url is set but judge_model is not; name the model the endpoint serves")
    key = os.environ.get("AGENTWORLD_JUDGE_API_KEY", "")
    return ChatJudge(judge_endpoint(settings.judge_url, settings.judge_model, key), count_calls)


def _count_calls(stage: Stage, prompt_tokens: int, completion_tokens: int) -> None:
    processes = stage.ranks.count  # only this one's meter is kept; the others ask about as much
    stage.meter.count_calls(prompt_tokens * processes, completion_tokens * processes)


def _arguments(stage: Stage, settings: WorldModelRl) -> GRPOConfig:
    return GRPOConfig(
        **group_arguments(stage, settings, settings.prompts_per_step),
        max_completion_length=settings.max_new_tokens,
        importance_sampling_level="sequence",
        loss_type="grpo",
    )


def _summary(history: list[dict[str, Any]], settings: WorldModelRl, trajectories: int) -> dict[str, Any]:
    rewards = [entry["reward"] for entry in history if "reward" in entry]
    quarter = max(1, len(rewards) // 4)
    return {
        "steps": len(rewards),
        "trajectories": trajectories,
        "reward_first_quarter": sum(rewards[:quarter]) / quarter / FULL_REWARD,
        "reward_last_quarter": sum(rewards[-quarter:]) / quarter / FULL_REWARD,
        "unscored": sum(entry[UNSCORED] for entry in history if UNSCORED in entry) / len(rewards),
        "judge_is_embedded_rules": int(settings.judge_url is None),
        "rewards": rewards,
    }


if __name__ == "__main__":
    run_stage(work)
