"""What the models behind the preset's endpoints answer on the same samples and rule checks as our checkpoints.

    python -m agentworld_dag.evaluation.endpoint_answers --config infra/presets/tiny.yaml \
        --input heldout_benchmark=DIR --out DIR

A preset without endpoints asks nobody. Answers are kept as they come; the key
of all endpoints is AGENTWORLD_MODEL_API_KEY.
"""

import os
from dataclasses import replace
from typing import Any

from agentworld_dag.benchmark.cost import tokens_below
from agentworld_dag.benchmark.heldout import CHECKS, DATA
from agentworld_dag.benchmark.inference import predict_samples
from agentworld_dag.benchmark.judging import slug
from agentworld_dag.benchmark.rubric import SCHEMA
from agentworld_dag.benchmark.samples import BenchSample, read_benchmark
from agentworld_dag.benchmark.settings import ChatEndpoint
from agentworld_dag.endpoints.client import Endpoint
from agentworld_dag.stage import Stage, run_stage

KEY, JUDGE_KEY = "AGENTWORLD_MODEL_API_KEY", "AGENTWORLD_JUDGE_API_KEY"


def work(stage: Stage) -> dict[str, Any]:
    settings, folder = stage.preset.benchmark, stage.inputs["heldout_benchmark"]
    samples = read_benchmark(folder / DATA).samples[: settings.judged_samples]
    checks = read_benchmark(folder / CHECKS).samples
    found = {asked.model: _ask(stage, asked, samples, checks) for asked in settings.endpoints}
    stage.meter.count_calls(*tokens_below(stage.out))
    return {"endpoints": len(found), "models": found}


def opened(asked: ChatEndpoint, key: str) -> Endpoint:
    """The endpoint of a preset, with its key from the environment."""
    return Endpoint(
        url=asked.url.rstrip("/"),
        model=asked.model,
        temperature=asked.temperature,
        max_tokens=asked.max_tokens,
        timeout_s=asked.timeout_s,
        most_open=asked.at_once,
        api_key=os.environ.get(key, ""),
    )


def opened_judge(asked: ChatEndpoint | None) -> Endpoint | None:
    """The judge of a preset; None stands for the embedded rules."""
    return asked and replace(opened(asked, JUDGE_KEY), json_schema=SCHEMA)


def _ask(
    stage: Stage, asked: ChatEndpoint, samples: tuple[BenchSample, ...], checks: tuple[BenchSample, ...]
) -> dict[str, float]:
    endpoint, out = opened(asked, KEY), stage.out / slug(asked.model)
    answered = [*predict_samples(samples, endpoint, out / DATA).values()]
    answered += predict_samples(checks, endpoint, out / CHECKS).values()
    failed = sum(bool(row["failed"]) for row in answered)
    stage.log(f"{asked.model}: {len(answered)} answers, {failed} failed")
    tokens = {name: sum(row.get(name) or 0 for row in answered) for name in ("prompt_tokens", "completion_tokens")}
    return {"answers": len(answered), "failed": failed, **tokens}


if __name__ == "__main__":
    run_stage(work)
