"""`agentworld bench`: the benchmark without the graph. No Dagster instance, no MLflow, no GPU.

    agentworld bench build HELD_OUT.parquet --out DATA       samples in the official layout from our own sessions
    agentworld bench audit DATA --training A.parquet B.parquet --out AUDIT.jsonl
                                                             which samples training may have shown
    agentworld bench run DATA --out DIR --model-url URL --model NAME
                                                             predicts, judges and scores every sample in DATA
    agentworld bench run DATA --out DIR --checkpoint FOLDER --shown ledger
                                                             the same with a checkpoint of this project, no server
    agentworld bench score JUDGED.jsonl                      scores with intervals; every failure costs
    agentworld bench score JUDGED.jsonl --data DATA          the same, and by turn and kind of action
    agentworld bench score JUDGED.jsonl --audit AUDIT.jsonl  the same, and the clean samples beside
    agentworld bench score JUDGED.jsonl --protocol both      strict, and below the official script's numbers
    agentworld bench compare A.jsonl B.jsonl                 two models on the same samples, paired
    agentworld bench trial DATA --out DIR --judge-url URL --judge NAME
                                                             whether a judge is worth asking; code 1 when it is not
    agentworld bench agree A.jsonl B.jsonl                   two judges on the same samples: quadratic kappa
    agentworld bench checks HELD_OUT.parquet --out DIR       executable checks, and the samples they are about
    agentworld bench verify DIR PREDICTIONS.jsonl            what `run DIR` predicted, held against them

A run that was stopped goes on where it was when the same line is given again.
Keys come from AGENTWORLD_MODEL_API_KEY and AGENTWORLD_JUDGE_API_KEY.
"""

import argparse
from pathlib import Path

from agentworld_dag.benchmark.check_commands import add_check_commands
from agentworld_dag.benchmark.command import audit, build, run
from agentworld_dag.benchmark.judged import ERROR_BUDGET
from agentworld_dag.benchmark.local import SHOWN
from agentworld_dag.benchmark.score_command import compare, score
from agentworld_dag.benchmark.trial_command import add_trial_commands

BUILD = """Writes {domain}_test.jsonl from recorded trajectories: of each the first turn, the last and three
between, with the whole history, as AgentWorldBench does. Use trajectories that no model was
trained on."""
AUDIT = """Looks for every sample of DATA in training trajectories: its id, and runs of 13 words of its text.
Writes one line per sample; `score --audit` then prints the score of the clean samples beside."""
RUN = """Asks the model for every sample of DATA, with the true history before it, judges the answers and
prints strict scores. Any OpenAI-compatible endpoint will do: vLLM, SGLang, `transformers serve`, a
hosted API. Keys are read from AGENTWORLD_MODEL_API_KEY and AGENTWORLD_JUDGE_API_KEY, never from the
command line.

--checkpoint runs a small model in this process instead. --shown says what it reads: `official` the
messages of the layout, for any chat model; `history` and `ledger` what this project trained it on.

Every answer is written to OUT as soon as it is there. Stopped, killed or out of credit: the same line
again goes on where it was and asks for failed calls again. Tokens, seconds and cost of a call are in
its row; totals come at the end, with failures by cause. Exit code 1 when there is no score.

    OUT/predictions.jsonl                        what the model wrote
    OUT/judged-rules/judged.jsonl                judgements of the embedded rule judge
    OUT/judged-NAME/judged.jsonl                 judgements of an LLM, a folder for each
    OUT/judged-NAME-prompts-HASH/judged.jsonl    the same with --judge-prompts, a folder for each content"""
RUN_EXAMPLES = """examples:
  agentworld bench run DATA --out OUT --model-url http://localhost:8000/v1 --model my-model
  agentworld bench run DATA --out OUT --model-url http://localhost:8000/v1 --model my-model \\
      --judge-url https://api.openai.com/v1 --judge gpt-5.2-2025-12-11 \\
      --judge-prompts Qwen-AgentWorld/prompts --judge-price-in 1.75 --judge-price-out 14"""
SCORE = """Prints the scores, from 0 to 100, of a file of judged rows: ours or the official script's.

  strict    (default) a row that failed scores the minimum. macro is the mean of domains, micro of rows;
            brackets hold the 95 % interval over trajectories. Above the error budget there is no score.
  official  number for number what the official script at cd0aa83 prints for the same file: failures and
            zeros dropped.
  both      one below the other.

--data adds strict scores by turn (first, 2-3, 4-6, 7+) and by kind of action. The kind is the name of
the tool where the action is a JSON call, and else its first word: the command without its folder, its
variables or sudo.

JSON of official: {"domains": {DOMAIN: {DIMENSION: value, "valid": n, "failed": n}}, "overall": value}.
strict adds intervals, "macro", "micro", "coverage" and, with --data, "breakdown"; both is
{"strict": ..., "official": ...}."""
COMPARE = """Prints both scores and their difference, first less second, on the samples that both files hold:
paired, with its 95 % interval over trajectories. Both files must come from one judge."""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `bench`; each sets `command`."""
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = _command(commands, "build", "samples out of recorded trajectories", BUILD)
    made.add_argument("trajectories", type=Path, help="Parquet file, such as held_out.parquet of trajectory_splits")
    made.add_argument("--out", type=Path, required=True, help="folder for {domain}_test.jsonl files")
    made.set_defaults(command=build)
    checked = _command(commands, "audit", "what training may have shown of the samples of a folder", AUDIT)
    _add_data(checked)
    checked.add_argument("--training", type=Path, nargs="+", required=True, help="Parquet files of trajectories")
    checked.add_argument("--out", type=Path, required=True, help="JSON lines, one per sample, for score --audit")
    checked.set_defaults(command=audit)
    every = _command(commands, "run", "predict, judge and score the samples of a folder", RUN, RUN_EXAMPLES)
    _add_run_options(every)
    every.set_defaults(command=run)
    one = _command(commands, "score", "score a file of judged rows", SCORE)
    one.add_argument("judged", type=Path, help="JSON lines as `run` or the official `judge` step writes them")
    one.add_argument("--protocol", choices=("strict", "official", "both"), default="strict", help="see above")
    one.add_argument("--audit", type=Path, help="what `audit` wrote: scores of the clean samples come beside")
    one.add_argument("--data", type=Path, help="the benchmark's folder: scores by turn and by kind of action as well")
    one.set_defaults(command=score)
    two = _command(commands, "compare", "two judged files on the samples they share; strict", COMPARE)
    two.add_argument("first", type=Path, help="file of judged rows")
    two.add_argument("second", type=Path, help="another, whose score is taken off")
    two.set_defaults(command=compare)
    add_trial_commands(commands)
    add_check_commands(commands)
    for command in (made, every, one, two):
        draws = "the turns between" if command is made else "the resamples for the intervals"
        command.add_argument("--seed", type=int, default=0, help=f"draws {draws} (%(default)s)")
    for command in (every, one, two):
        _add_score_options(command)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, says: str, end: str = ""
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=does, description=says, epilog=end, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of {domain}_test.jsonl files in the official layout")


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--error-budget",
        type=float,
        default=ERROR_BUDGET,
        help="largest share of rows without a usable judgement for which a score is printed (%(default)s)",
    )
    parser.add_argument("--bootstrap-samples", type=int, default=2000, help="resamples for the intervals (%(default)s)")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for predictions and judgements; resumed if there"
    )
    parser.add_argument("--model-url", help="OpenAI-compatible base address of the world model, with /v1")
    parser.add_argument("--model", help="its name there")
    parser.add_argument("--checkpoint", type=Path, help="folder of a small checkpoint to run here, without a server")
    parser.add_argument(
        "--shown", choices=SHOWN, default="official", help="with --checkpoint: what it is shown (see above)"
    )
    parser.add_argument("--no-reasoning", action="store_true", help="with --checkpoint: it answers without thinking")
    parser.add_argument("--judge-url", help="base address of an LLM judge; left out: the embedded rule judge")
    parser.add_argument("--judge", help="the judge's name there")
    parser.add_argument(
        "--judge-prompts",
        type=Path,
        metavar="DIR",
        help="`prompts` in a clone of the official repository (at cd0aa83), in place of our own rubric",
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="of the world model (%(default)s); the judge answers at 0"
    )
    parser.add_argument("--max-tokens", type=int, default=8192, help="per answer, reasoning included (%(default)s)")
    parser.add_argument("--timeout-s", type=float, default=600.0, help="per call (%(default)s)")
    parser.add_argument(
        "--at-once", type=int, default=128, help="most calls open at once; found by use below that (%(default)s)"
    )
    for name, of in (("--", "the model"), ("--judge-", "the judge")):
        for way, does in (("in", "reads"), ("out", "writes")):
            parser.add_argument(
                f"{name}price-{way}",
                type=float,
                metavar="MONEY",
                help=f"for a million tokens that {of} {does}; rows and totals then hold the cost",
            )
