"""`agentworld bench`: the benchmark without the graph. No Dagster instance, no MLflow, no GPU.

    agentworld bench build HELD_OUT.parquet --out DATA       samples in the official layout from our own sessions
    agentworld bench audit DATA --training A.parquet B.parquet --out AUDIT.jsonl
                                                             which samples training may have shown
    agentworld bench run DATA --out DIR --model-url URL --model NAME
                                                             predicts, judges and scores every sample in DATA
    agentworld bench score JUDGED.jsonl                      scores with intervals; every failure costs
    agentworld bench score JUDGED.jsonl --audit AUDIT.jsonl  the same, and the clean samples beside
    agentworld bench score JUDGED.jsonl --protocol official  the official script's numbers
    agentworld bench compare A.jsonl B.jsonl                 two models on the same samples, paired

A run that was stopped goes on where it was when the same line is given again.
Keys come from AGENTWORLD_MODEL_API_KEY and AGENTWORLD_JUDGE_API_KEY.
"""

import argparse
from pathlib import Path

from agentworld_dag.benchmark.command import audit, build, compare, run, score
from agentworld_dag.benchmark.judged import ERROR_BUDGET


def add_commands(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `bench`; each sets `command`."""
    commands = parser.add_subparsers(required=True)
    made = commands.add_parser("build", help="samples out of recorded trajectories")
    made.add_argument("trajectories", type=Path, help="Parquet file, such as held_out.parquet of trajectory_splits")
    made.add_argument("--out", type=Path, required=True, help="folder for {domain}_test.jsonl files")
    made.set_defaults(command=build)
    checked = commands.add_parser("audit", help="what training may have shown of the samples of a folder")
    _add_data(checked)
    checked.add_argument("--training", type=Path, nargs="+", required=True, help="Parquet files of trajectories")
    checked.add_argument("--out", type=Path, required=True, help="JSON lines, one per sample, for score --audit")
    checked.set_defaults(command=audit)
    every = commands.add_parser("run", help="predict, judge and score the samples of a folder")
    _add_run_options(every)
    every.set_defaults(command=run)
    one = commands.add_parser("score", help="score a file of judged rows")
    one.add_argument("judged", type=Path, help="JSON lines as the official `judge` step writes them")
    one.add_argument("--protocol", choices=("strict", "official"), default="strict")
    one.add_argument("--audit", type=Path, help="what `audit` wrote: scores of the clean samples come beside (strict)")
    one.set_defaults(command=score)
    two = commands.add_parser("compare", help="two judged files on the samples they share; strict")
    two.add_argument("first", type=Path)
    two.add_argument("second", type=Path)
    two.set_defaults(command=compare)
    for command in (made, every, one, two):
        command.add_argument("--seed", type=int, default=0, help="of what is drawn")
    for command in (every, one, two):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.add_argument(
            "--error-budget", type=float, default=ERROR_BUDGET, help="largest share without a judgement"
        )
        command.add_argument("--bootstrap-samples", type=int, default=2000)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of {domain}_test.jsonl files in the official layout")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for predictions and judgements; resumed if there"
    )
    parser.add_argument(
        "--model-url", required=True, help="OpenAI-compatible base address of the world model, with /v1"
    )
    parser.add_argument("--model", required=True, help="its name there")
    parser.add_argument("--judge-url", help="base address of an LLM judge; left out: the embedded rule judge")
    parser.add_argument("--judge", help="the judge's name there")
    parser.add_argument("--temperature", type=float, default=0.0, help="of the world model; the judge answers at 0")
    parser.add_argument("--max-tokens", type=int, default=8192, help="per answer")
    parser.add_argument("--timeout-s", type=float, default=600.0, help="per call")
    parser.add_argument("--at-once", type=int, default=128, help="most calls open at once; found by use below that")
