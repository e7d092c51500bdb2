"""One timed run in a process of its own: a stage of ours, or TRL's own script.

python -m benchmarks.speed.timed_run ours sft RECORD.json FLAGS...     flags of the stage script
python -m benchmarks.speed.timed_run trl sft RECORD.json FLAGS...      flags of `trl sft` or `trl grpo`
"""

import argparse
import importlib
from pathlib import Path

from agentworld_dag.stage import run_stage
from benchmarks.speed.clock import watch_trainers
from benchmarks.speed.rewards import odd_sums

TRL_SCRIPTS = {"cpt": "sft", "sft": "sft", "world_model_rl": "grpo"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", "trl"))
    parser.add_argument("stage", choices=list(TRL_SCRIPTS))
    parser.add_argument("record", type=Path)
    parser.add_argument("flags", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    watch_trainers(options.record)
    run = run_ours if options.side == "ours" else run_trl
    run(options.stage, options.flags)


def run_ours(stage: str, flags: list[str]) -> None:
    script = importlib.import_module(f"agentworld_dag.training.{stage}")
    if stage == "world_model_rl":
        vars(script)["reward_function"] = lambda *_: odd_sums
    run_stage(script.work, flags)


def run_trl(stage: str, flags: list[str]) -> None:
    script = importlib.import_module(f"trl.scripts.{TRL_SCRIPTS[stage]}")
    script.main(*script.make_parser().parse_args_and_config(flags))


if __name__ == "__main__":
    main()
