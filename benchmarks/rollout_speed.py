"""Rollouts by our engines against loops over `model.generate`: `make vllm`, then `python benchmarks/rollout_speed.py`.

Turns of real sessions recorded here are asked of one model, greedily: by
`model.generate` one at a time and in padded batches, by the engine in a stage's
process, and by the vLLM server that stages start (of AGENTWORLD_VLLM_PYTHON or
`make vllm`; without it the others are measured). The model has random weights (preset
`small`, a Qwen3-0.6B's shape, where there is a GPU, else `tiny`) and hardly
ever ends an answer by itself; `--checkpoint` asks a trained one. Contestants
take turns with rests between, in another order each time, and no prompt is asked
in two repetitions: vLLM would remember its beginning. One at a time answers the first
few prompts of each only. Prints Markdown; ends with 1 and a line on failure.

Left out: starting up, which vLLM needs a minute or two for, sampling, and
rollouts with environments in between.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy.stats import binomtest

from agentworld_dag.config import Preset
from agentworld_dag.errors import AgentWorldError, ConfigError
from agentworld_dag.serving.server import PYTHON
from agentworld_dag.simulator.teacher_forced import sample_places
from agentworld_dag.training.checkpoints import load_tokenizer
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.render import turn_messages
from benchmarks.speed.contestants import Answerer, generate_loop, in_process, served, vllm_python
from benchmarks.speed.machine import described, usable_cores
from benchmarks.speed.material import Material, default_preset, make_material
from benchmarks.speed.pairing import mean, ratio, table, verdict

AIM = 20.0
ONE, PADDED, OURS, VLLM = "`generate`, one at a time", "`generate`, padded", "engine in process", "vLLM server"
REST_S = 3.0
"""Before each turn: a vLLM that has answered looks for more work for a second, on a whole core."""
HEADER = ("by", "tokens/s [95 %]", "to one at a time", "to padded", "same answers as one at a time")


@dataclass(frozen=True)
class Answers:
    """Of one contestant to one repetition's prompts."""

    seconds: float
    ids: list[list[int]]

    @property
    def tokens_per_s(self) -> float:
        return sum(map(len, self.ids)) / self.seconds


def main() -> None:
    options = _options()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report(options, Path(folder))
    except AgentWorldError as error:
        sys.exit(f"rollout_speed: {error}")


def report(options: argparse.Namespace, folder: Path) -> None:
    torch.set_num_threads(usable_cores())
    python = vllm_python()
    found_at = described(options.seed, python)
    told(f"preset {options.preset}: recording {options.sessions} sessions, building the model")
    material = make_material(options.preset, {}, options.sessions, options.seed, folder)
    checkpoint = options.checkpoint or material.base / "checkpoint"
    # One share more than there are repetitions: everybody warms up on the first.
    shares = prompt_shares(material, checkpoint, options.prompts, 1 + options.repeats, options.seed)
    if python is None:
        told(f"SKIPPED vLLM: {PYTHON} names no interpreter that has it; `make vllm` makes one for CPUs")
    else:
        os.environ[PYTHON] = python
    with ExitStack() as stack:
        answerers = contestants(stack, checkpoint, material.preset, options, with_vllm=python is not None)
        runs = measured(answerers, shares, options.one_by_one, REST_S)
    print("\n".join(["### Rollouts against `model.generate`", "", *found_at]))
    print("\n".join([*facts(material, shares, runs, options), ""]))
    print(table(HEADER, [row(name, runs) for name in runs]))
    if VLLM in runs:
        found = ratio(*(rates(runs[name]) for name in (VLLM, ONE)))
        print(f"\nvLLM to one at a time, {found}; the aim of {verdict(found, AIM)}.")


def prompt_shares(material: Material, checkpoint: Path, count: int, shares: int, seed: int) -> list[list[list[int]]]:
    """Distinct prompts of real turns, `count` for each repetition. Raises ConfigError when there are too few."""
    trajectories = read_trajectories(material.splits / "sft.parquet")
    places = sample_places(trajectories, sum(len(each.turns) for each in trajectories), seed)
    template = material.preset.model.template
    messages = [turn_messages(place.trajectory, place.turn_index, "ledger", template)[0] for place in places]
    prompts = ChatEncoder(load_tokenizer(checkpoint)).prompts(messages)
    distinct = [list(ids) for ids in dict.fromkeys(map(tuple, prompts))]
    if len(distinct) < count * shares:
        raise ConfigError(
            f"{len(distinct)} distinct prompts, {shares} times {count} are needed; raise --sessions or lower --prompts"
        )
    return [distinct[start * count : (start + 1) * count] for start in range(shares)]


def contestants(
    stack: ExitStack, checkpoint: Path, preset: Preset, options: argparse.Namespace, with_vllm: bool
) -> dict[str, Answerer]:
    new_tokens = options.new_tokens or preset.world_model_rl.max_new_tokens
    found = {}
    if with_vllm:
        told("starting vLLM")
        settings = preset.serving.model_copy(update={"engine": "vllm", "dtype": options.dtype, "url": None})
        found[VLLM] = stack.enter_context(served(checkpoint, settings, new_tokens))
    return {
        ONE: generate_loop(checkpoint, options.dtype, 1, new_tokens),
        PADDED: generate_loop(checkpoint, options.dtype, options.batch, new_tokens),
        OURS: in_process(checkpoint, options.dtype, new_tokens),
        **found,
    }


def measured(
    answerers: Mapping[str, Answerer], shares: Sequence[list[list[int]]], one_by_one: int, rest_s: float
) -> dict[str, list[Answers]]:
    """The first share warms up; in each of the others the next one begins."""
    runs: dict[str, list[Answers]] = {name: [] for name in answerers}
    names = list(answerers)
    for number, prompts in enumerate(shares):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            time.sleep(rest_s)
            found = answered(answerers[name], prompts[:one_by_one] if name == ONE else prompts)
            told(f"{f'repetition {number}' if number else 'warm-up'}, {name}: {found.tokens_per_s:,.0f} tokens/s")
            if number:
                runs[name].append(found)
    return runs


def answered(answer: Answerer, prompts: list[list[int]]) -> Answers:
    began = time.monotonic()
    ids = answer(prompts)
    return Answers(time.monotonic() - began, ids)


def row(name: str, runs: Mapping[str, list[Answers]]) -> list[object]:
    own = rates(runs[name])
    against = [ratio(own, rates(runs[other])) if name != other else "" for other in (ONE, PADDED)]
    return [name, mean(own), *against, "" if name == ONE else equal_share(runs[name], runs[ONE])]


def rates(runs: Sequence[Answers]) -> list[float]:
    return [run.tokens_per_s for run in runs]


def equal_share(runs: Sequence[Answers], reference: Sequence[Answers]) -> str:
    """Of the answers to prompts that both were asked, with the exact interval (Clopper and Pearson)."""
    pairs = [pair for own, its in zip(runs, reference, strict=True) for pair in zip(own.ids, its.ids, strict=False)]
    test = binomtest(sum(own == its for own, its in pairs), len(pairs))
    ends = test.proportion_ci()
    return f"{test.statistic:.2f} [{ends.low:.2f}, {ends.high:.2f}] of {len(pairs)}"


def facts(
    material: Material,
    shares: Sequence[list[list[int]]],
    runs: Mapping[str, list[Answers]],
    options: argparse.Namespace,
) -> list[str]:
    model, prompts = material.preset.model, [prompt for share in shares[1:] for prompt in share]
    answers = [ids for run in runs[PADDED] for ids in run.ids]
    given = options.checkpoint and "/".join(options.checkpoint.absolute().parts[-4:])
    return [
        f"- model: preset {material.preset.name}, {model.layers} layers of width {model.hidden_size}, "
        f"{given or 'random weights'}; everybody in {options.dtype}",
        f"- prompts: turns of {options.sessions} sessions recorded here; {options.repeats} repetitions of "
        f"{options.prompts}, {min(options.one_by_one, options.prompts)} of each one at a time; "
        f"{_mean_length(prompts):.0f} tokens, answers of {_mean_length(answers):.0f}; greedy; padded batches of "
        f"{options.batch}",
    ]


def _mean_length(sequences: Sequence[list[int]]) -> float:
    return sum(map(len, sequences)) / len(sequences)


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default=default_preset(), help="name or path")
    parser.add_argument("--checkpoint", type=Path, help="folder of a trained model, in place of random weights")
    parser.add_argument("--sessions", type=int, default=1000 if on_gpu else 200, help="real ones, recorded first")
    parser.add_argument("--prompts", type=int, default=512 if on_gpu else 64, help="of each repetition")
    parser.add_argument("--one-by-one", type=int, default=16 if on_gpu else 8, help="of those, asked one at a time")
    parser.add_argument("--batch", type=int, default=64, help="rows of a padded batch")
    parser.add_argument("--new-tokens", type=int, help="of an answer at most; world_model_rl.max_new_tokens unless set")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16" if on_gpu else "float32")
    parser.add_argument("--seed", type=int, default=0, help="of weights and of the choice of turns")
    return parser.parse_args()


if __name__ == "__main__":
    main()
