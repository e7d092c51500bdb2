"""What a training pass costs with TRL's head and with ours: `python benchmarks/labelled_head.py --labelled 0.35`.

Prints one JSON line: milliseconds of forward and backward on a CPU, for rows of
the tiny preset's SFT of which a share of the positions is labelled, and the
median ratio of ours to TRL's with its quartiles. The two take turns, so a noisy
machine troubles both.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from transformers import PreTrainedModel
from trl.trainer.utils import add_fused_lm_head

from agentworld_dag.config import Preset, load_preset
from agentworld_dag.training.base_model import random_model
from agentworld_dag.training.labelled_head import IGNORED, score_labels_only
from agentworld_dag.training.tokenizer import train_tokenizer

PRESET = Path(__file__).parents[1] / "infra/presets/tiny.yaml"
ROW_TOKENS = 86
"""Mean length of an SFT sample of the tiny preset."""
LABELLED = 0.35
"""Share of its positions with a label."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labelled", type=float, default=LABELLED, help="share of the positions with a label")
    parser.add_argument("--passes", type=int, default=40)
    options = parser.parse_args()
    preset = load_preset(PRESET)
    torch.set_num_threads(preset.sft.threads)
    trl, ours = headed_model(preset), headed_model(preset)
    score_labels_only(ours)
    batch = sample_batch(preset, options.labelled)
    pairs = [(pass_ms(trl, batch), pass_ms(ours, batch)) for _ in range(options.passes)][2:]
    ratios = [of_ours / of_trl for of_trl, of_ours in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    medians = {
        name: round(statistics.median(times), 1)
        for name, times in zip(("trl_ms", "ours_ms"), zip(*pairs, strict=True), strict=True)
    }
    print(
        json.dumps(
            {
                "rows": len(batch["labels"]),
                **medians,
                "ratio": round(middle, 3),
                "quartiles": [round(low, 3), round(high, 3)],
            }
        )
    )


def headed_model(preset: Preset) -> PreTrainedModel:
    """A random model of the preset's size with the head TRL's SFTTrainer gives it."""
    texts = (f"echo word{i} > file{i % 97}" for i in range(4000))
    model = random_model(preset.model, train_tokenizer(texts, preset.model.vocab_size), seed=0)
    model.resize_token_embeddings(preset.model.vocab_size)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    return model


def sample_batch(preset: Preset, labelled: float = LABELLED) -> dict[str, torch.Tensor]:
    """Random ids, as many as a pass takes; the last positions of each row are labelled, as in a next-state sample."""
    rows = preset.sft.tokens_per_step // preset.sft.passes_per_step // ROW_TOKENS
    ids = torch.randint(preset.model.vocab_size, (rows, ROW_TOKENS), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[:, : round(ROW_TOKENS * (1 - labelled))] = IGNORED
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def pass_ms(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> float:
    started_at = time.monotonic()
    with torch.autocast("cpu", torch.bfloat16):
        log_probs = model(**batch, fused_lm_head=True).log_probs
    (-log_probs.sum()).backward()
    return 1000 * (time.monotonic() - started_at)


if __name__ == "__main__":
    main()
