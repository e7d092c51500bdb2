"""The round's judge, tried on answers whose worth is known before its scores count.

    python -m agentworld_dag.evaluation.judge_trial --config infra/presets/tiny.yaml \
        --input heldout_benchmark=DIR --out DIR

The judge and the limits are the preset's; `trial.json` holds measures and
verdicts, the judge's answers lie beside it.
"""

from dataclasses import asdict
from typing import Any

from agentworld_dag.artifacts import write_json
from agentworld_dag.benchmark.cost import tokens_below
from agentworld_dag.benchmark.heldout import DATA
from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.benchmark.trial import try_judge
from agentworld_dag.benchmark.verdicts import verdicts
from agentworld_dag.evaluation.benchmark_tables import TRIAL
from agentworld_dag.evaluation.endpoint_answers import opened_judge
from agentworld_dag.evaluation.intervals import Resampling, as_json
from agentworld_dag.stage import Stage, run_stage


def work(stage: Stage) -> dict[str, Any]:
    settings = stage.preset.benchmark
    samples = read_benchmark(stage.inputs["heldout_benchmark"] / DATA).samples
    plan = Resampling(stage.preset.evaluation.bootstrap_samples, stage.preset.collection.seed)
    trial = try_judge(samples, opened_judge(settings.judge), settings.judge_trial.samples, stage.out, plan)
    stage.meter.count_calls(*tokens_below(stage.out))
    measures = {name: as_json(found) for name, found in trial.measures.items()}
    found = verdicts(trial, settings.judge_trial)
    write_json(stage.out / TRIAL, {"judge": trial.judge, "measures": measures, "verdicts": [*map(asdict, found)]})
    stage.log(f"{trial.judge}: {sum(each.holds for each in found)} of {len(found)} claims hold")
    return {"claims": len(found), "failed_claims": sum(not each.holds for each in found)} | {
        name: measure["value"] for name, measure in measures.items()
    }


if __name__ == "__main__":
    run_stage(work)
