"""Success of every agent on the same held-out tasks, in the real shell or in the simulator.

    python -m agentworld_dag.evaluation.policy --config infra/presets/tiny.yaml --seed 0 --option environment=real \
        --input agent_base=DIR --input agent_sim_rl=DIR ... --out DIR

All arms meet the same tasks, sampled and greedily; in the real shell the arms
that others are compared with also sample at the control temperatures, to tell
training from mere sharpening. Every action sequence from the simulator is
replayed in the real shell. A dead environment is a failed rollout and counts as
a failure. Writes one row per rollout; intervals and comparisons are
`transfer`'s business.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import polars as pl

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Policy, Rollout, run_policy
from agentworld_dag.config import Preset
from agentworld_dag.environments.protocol import Environment, Task, goal_reached
from agentworld_dag.environments.tasks import make_task, seed_of
from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.errors import ConfigError, EvaluationError, SandboxError
from agentworld_dag.evaluation.measurements import ARMS, CONTROL_PREFIX, GREEDY, SAMPLED
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator.bundle import Simulator, open_simulator
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.stage import Stage, run_stage

REAL, SIMULATED = "real", "sim"
BASE = ARMS[0]
CONTROLS = (BASE, "scratch", "real_rl_scarce")
EXAMPLES_PER_RUN = 3
OUTGROWN = "outgrown"

Row = dict[str, Any]
SCHEMA = pl.Schema(
    {
        "arm": pl.String,
        "environment": pl.String,
        "decoding": pl.String,
        "task_id": pl.String,
        "kind": pl.String,
        "success": pl.Boolean,
        "steps": pl.Int64,
        "actions": pl.List(pl.String),
        "failed": pl.Boolean,
        "replay_success": pl.Boolean,
    }
)
"""One row per rollout; `replay_success` is null in the real shell."""


def work(stage: Stage) -> dict[str, Any]:
    environment, tasks = _environment(stage), evaluation_tasks(stage.preset)
    examples: list[str] = []
    with ExitStack() as opened:
        simulator: Simulator | None = None
        if environment == SIMULATED:
            found = open_simulator(stage.inputs["simulator"], stage.seed, stage.preset.serving)
            simulator = opened.enter_context(found)
        make_environment = simulator.environment if simulator else partial(real_terminal, stage.preset.collection)
        rows = [row for arm in _arms(stage) for row in _of_arm(stage, arm, make_environment, tasks, examples)]
    outgrown = {"outgrown_rollouts": sum(row.pop(OUTGROWN) for row in rows)}
    if simulator:
        stage.meter.count_tokens(simulator.engine.tokens)
        outgrown |= simulator.engine.window.counts
        replays = asyncio.run(replay(real_terminal(stage.preset.collection), tasks, rows))
        rows = [{**row, "replay_success": solved} for row, solved in zip(rows, replays, strict=True)]
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(stage.out / "rollouts.parquet")
    (stage.out / "examples.md").write_text("\n".join(examples))
    if environment == SIMULATED:
        return summary(rows) | outgrown
    return summary(rows) | outgrown | {"by_sandbox": {real_terminal(stage.preset.collection).sandbox: len(rows)}}


def _of_arm(
    stage: Stage, arm: str, make_environment: Callable[[], Environment], tasks: list[Task], examples: list[str]
) -> list[Row]:
    """The rows of an arm in every decoding; transcripts are added to `examples`."""
    rows: list[Row] = []
    environment = _environment(stage)
    with open_engine(stage.inputs[f"agent_{arm}"] / "checkpoint", stage.seed, stage.preset.serving) as engine:
        for decoding, policy in policies(stage, arm, environment, engine).items():
            rollouts = run_policy(policy, make_environment, tasks, stage.seed)
            refuse_mass_failure(rollouts, f"{arm}, {decoding}")
            rows += [_row(arm, environment, decoding, rollout) for rollout in rollouts]
            examples += [transcript(f"{arm}, {decoding}", rollout) for rollout in rollouts[:EXAMPLES_PER_RUN]]
            stage.log(f"{arm}, {decoding}: {sum(r.success for r in rollouts)} of {len(rollouts)} solved")
    stage.meter.count_tokens(engine.tokens)
    return rows


def evaluation_tasks(preset: Preset) -> list[Task]:
    """The tasks of a preset, the same for every arm and run; another collection seed means other tasks."""
    count = preset.evaluation.tasks
    first = preset.collection.seed * count
    return [make_task("evaluation", first + i) for i in range(count)]


def policies(stage: Stage, arm: str, environment: str, engine: Engine) -> dict[str, Policy]:
    """The decodings of an arm by name: sampled at the temperature of practice, greedy, and a control's colder ones."""
    encoder = AgentEncoder(engine.tokenizer)
    temperatures = {SAMPLED: stage.preset.agent.rl.temperature, GREEDY: 0.0}
    if arm in CONTROLS and environment == REAL:
        temperatures |= {f"{CONTROL_PREFIX}{t}": t for t in stage.preset.evaluation.control_temperatures}
    return {name: Policy(engine, encoder, stage.preset.agent, t) for name, t in temperatures.items()}


def refuse_mass_failure(rollouts: Sequence[Rollout], what: str) -> None:
    """Raises EvaluationError when most environments died: such a number says nothing about the policy."""
    failures = [rollout.failure for rollout in rollouts if rollout.failure]
    if len(failures) > len(rollouts) / 2:
        raise EvaluationError(
            f"{len(failures)} of {len(rollouts)} rollouts of {what} failed, the last with: {failures[-1]}; "
            "at most half may. Repair the environment and run again; nothing was scored"
        )


async def replay(environment: Environment, tasks: Sequence[Task], rows: Sequence[Row]) -> list[bool]:
    """Whether each row's actions solve its task in `environment`; equal sequences are played once."""
    by_id = {task.id: task for task in tasks}
    solved: dict[tuple[str, ...], bool] = {}
    for row in rows:
        key = (row["task_id"], *row["actions"])
        if key not in solved:
            solved[key] = await _solves(environment, by_id[row["task_id"]], row["actions"])
    await environment.close()
    return [solved[row["task_id"], *row["actions"]] for row in rows]


async def _solves(environment: Environment, task: Task, actions: Sequence[str]) -> bool:
    try:
        await environment.reset(task.initial_state, seed_of("replay", task.id))
        for action in actions:
            await environment.step(action)
        return goal_reached(task, await environment.state())
    except SandboxError:  # the actions killed the shell: they do not solve the task
        return False


def transcript(title: str, rollout: Rollout) -> str:
    """An episode as Markdown, for people."""
    ending = f"failed: {rollout.failure}" if rollout.failure else "solved" if rollout.success else "not solved"
    shown = [f"$ {action}\n{seen}" for action, seen in zip(rollout.actions, rollout.observations, strict=True)]
    screen = "\n".join(shown) or "(no command)"
    start = rollout.task.initial_state.replace("\n", "`, `")
    return f"### {title}: {rollout.task.instruction}\n\nStart: `{start}`. Ended {ending}.\n\n````\n{screen}\n````\n"


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean success by arm and decoding, and what was spent on measuring."""
    frame = pl.DataFrame(list(rows), schema=SCHEMA)
    means = frame.group_by("arm", "decoding", maintain_order=True).agg(pl.mean("success"))
    success: dict[str, dict[str, float]] = {}
    for arm, decoding, mean in means.iter_rows():
        success.setdefault(arm, {})[decoding] = mean
    failed = int(frame["failed"].sum())
    counts = {"rollouts": len(frame), "failed": failed, "failed_share": failed / max(1, len(frame))}
    counts["by_environment"] = dict(frame["environment"].value_counts().iter_rows())
    return {"success": success, **counts, "environment_steps": int(frame["steps"].sum())}


def _row(arm: str, environment: str, decoding: str, rollout: Rollout) -> Row:
    return {
        "arm": arm,
        "environment": environment,
        "decoding": decoding,
        "task_id": rollout.task.id,
        "kind": rollout.task.kind,
        "success": rollout.success,
        "steps": len(rollout.actions),
        "actions": list(rollout.actions),
        "failed": bool(rollout.failure),
        "replay_success": None,
        OUTGROWN: rollout.outgrown,
    }


def _arms(stage: Stage) -> list[str]:
    return [arm for arm in ARMS if f"agent_{arm}" in stage.inputs]


def _environment(stage: Stage) -> str:
    if (environment := stage.options.get("environment")) not in (REAL, SIMULATED):
        raise ConfigError(f"--option environment={environment}: expected {REAL} or {SIMULATED}")
    return environment


if __name__ == "__main__":
    run_stage(work)
