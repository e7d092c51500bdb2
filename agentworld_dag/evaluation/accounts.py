"""What each arm cost: real environment steps and seconds, the world model's own data included.

The break-even asks how many policies must practise in one world model before
that costs fewer real steps than practising in the real shell. It charges all
recorded sessions to the simulator, and nothing for the start that both arms
share. Steps spent on measuring are charged to nobody.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.measurements import ARMS
from agentworld_dag.lake.shared import opened

Verdict = Literal["yes", "no", "undecided"]

START = "start"
"""The input under which imitation knows the stage it goes on from; that stage is met elsewhere under its own name."""
RECORDED = "raw_trajectories"
DEMONSTRATED = "agent_demonstrations"
START_STAGES = (
    RECORDED,
    "clean_trajectories",
    "trajectory_splits",
    "base_model",
    "world_model_cpt",
    "world_model_sft",
)
"""What the base arm starts from."""
WORLD_MODEL_STAGES = (*START_STAGES, "world_model_rl", "simulator")
BEHIND = {
    "base": START_STAGES,
    "sim_rl": WORLD_MODEL_STAGES,
    "real_rl": START_STAGES,
    "real_rl_scarce": START_STAGES,
    "warmup": WORLD_MODEL_STAGES[:-1],
    "scratch": (),
}
"""World-model stages an arm stands on, by its start or by its simulator."""
PRACTICE: tuple[str, ...] = ("sim_rl", "real_rl", "real_rl_scarce")
"""Arms that go on from the base arm with reinforcement learning."""


@dataclass(frozen=True)
class Account:
    """What one arm spent."""

    world_model_steps: float
    """Real steps recorded for the world-model stages behind the arm."""
    demonstration_steps: float
    practice_steps: float
    """Real steps the arm took itself."""
    world_model_s: float
    """Wall seconds of those stages, collection included."""
    demonstration_s: float
    practice_s: float
    """Wall seconds of the arm's own training, and of the base arm where it goes on from it."""

    @property
    def steps(self) -> float:
        return self.world_model_steps + self.demonstration_steps + self.practice_steps

    @property
    def seconds(self) -> float:
        return self.world_model_s + self.demonstration_s + self.practice_s


@dataclass(frozen=True)
class Accounts:
    arms: dict[str, Account]
    recorded_steps: float
    """Real steps of all recorded sessions: what one world model costs."""
    world_model_s: float
    """Wall seconds that one world model costs."""
    rl_s: dict[str, float]
    """Wall seconds of the reinforcement learning alone, by arm."""


def lineage(folders: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """The result of every stage upstream of `folders`, and of these, by asset name."""
    lake, waiting = opened(), list(folders.items())
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        name, folder = waiting.pop()
        if name in found or name == START:
            continue
        found[name] = lake.read_result(folder)
        waiting += [(key, Path(path)) for key, path in found[name]["inputs"].items()]
    return found


def seconds(result: Mapping[str, Any]) -> float:
    """Wall seconds of a stage, from the start of its process."""
    return result["timing"]["finished_at"] - result["timing"]["process_started_at"]


def open_accounts(results: Mapping[str, Mapping[str, Any]], start_share: float) -> Accounts:
    """Accounts of all arms. `start_share` is the share of the recorded sessions that CPT and SFT read."""
    recorded = _real_steps(results, RECORDED)
    arms = {arm: _account(results, arm, recorded * _share_behind(arm, start_share)) for arm in ARMS}
    rl_s = {arm: _seconds(results, [f"agent_{arm}"]) for arm in PRACTICE}
    return Accounts(arms, recorded, _seconds(results, WORLD_MODEL_STAGES), rl_s)


def average(runs: Sequence[Accounts]) -> Accounts:
    """Mean account over seeds."""
    arms = {arm: Account(*_mean_rows([list(asdict(run.arms[arm]).values()) for run in runs])) for arm in ARMS}
    rl_s = dict(zip(PRACTICE, _mean_rows([[run.rl_s[arm] for arm in PRACTICE] for run in runs]), strict=True))
    recorded, world_model_s = _mean_rows([[run.recorded_steps, run.world_model_s] for run in runs])
    return Accounts(arms, recorded, world_model_s, rl_s)


def uses_to_pay_off(fixed: float, simulated: float, real: float) -> int | None:
    """Smallest number of uses n with fixed + n * simulated < n * real; None where no number is enough."""
    return math.floor(fixed / (real - simulated)) + 1 if real > simulated else None


def break_even(accounts: Accounts, matches: Verdict) -> dict[str, Any]:
    """Policies to train before the world model has paid for itself, if the simulator arm `matches` the real one."""
    per_real = accounts.arms["real_rl"].practice_steps
    per_sim = accounts.arms["sim_rl"].practice_steps
    if_matched = uses_to_pay_off(accounts.recorded_steps, per_sim, per_real)
    policies = None if matches == "no" else if_matched
    return {
        "policies": policies,
        "policies_if_matched": if_matched,
        "matches_real_rl": matches,
        "world_model_real_steps": accounts.recorded_steps,
        "real_steps_per_policy_in_real": per_real,
        "real_steps_per_policy_in_sim": per_sim,
        "policies_wall_time": _uses_in_time(accounts),
        "statement": _statement(if_matched, matches, accounts.recorded_steps, per_real),
        "statement_wall_time": _statement_in_time(accounts),
    }


def _uses_in_time(accounts: Accounts) -> int | None:
    return uses_to_pay_off(accounts.world_model_s, accounts.rl_s["sim_rl"], accounts.rl_s["real_rl"])


def _statement_in_time(accounts: Accounts) -> str:
    spent = f"{accounts.rl_s['sim_rl']:,.0f} s of practice in simulation, {accounts.rl_s['real_rl']:,.0f} s for real"
    policies = _uses_in_time(accounts)
    if policies is None:
        return f"Never: practice in simulation is no faster here ({spent})."
    return f"From {policies} on ({spent}, {accounts.world_model_s:,.0f} s for the world model)."


def _statement(if_matched: int | None, matches: Verdict, recorded: float, per_real: float) -> str:
    sums = f"{recorded:,.0f} real steps for the world model's data, {per_real:,.0f} for one policy practising for real"
    if if_matched is None:
        return f"Never: practice in the real shell takes no more real steps than practice in simulation ({sums})."
    policies = f"{if_matched} {'policy' if if_matched == 1 else 'policies'}"
    return {
        "yes": f"{policies} ({sums}).",
        "no": f"Never at equal success: simulation falls short. Accepting that, {policies} ({sums}).",
        "undecided": f"{policies} if simulation matches practice for real, which is undecided here ({sums}).",
    }[matches]


def _share_behind(arm: str, start_share: float) -> float:
    """Share of the recorded sessions that the world-model stages behind an arm have read."""
    if not BEHIND[arm]:
        return 0.0
    return start_share if BEHIND[arm] == START_STAGES else 1.0


def _account(results: Mapping[str, Mapping[str, Any]], arm: str, world_model_steps: float) -> Account:
    own = [f"agent_{arm}"]
    return Account(
        world_model_steps,
        _real_steps(results, DEMONSTRATED),
        _real_steps(results, own[0]) if arm.startswith("real") else 0.0,
        _seconds(results, BEHIND[arm]),
        _seconds(results, [DEMONSTRATED]),
        _seconds(results, own + ["agent_base"] * (arm in PRACTICE)),
    )


def _real_steps(results: Mapping[str, Mapping[str, Any]], stage: str) -> float:
    metrics = _result(results, stage)["metrics"]
    if "real_steps" not in metrics:
        raise EvaluationError(f"{stage} recorded no real_steps among {', '.join(metrics)}; run it again with this code")
    return float(metrics["real_steps"])


def _seconds(results: Mapping[str, Mapping[str, Any]], stages: Sequence[str]) -> float:
    return sum(seconds(_result(results, stage)) for stage in stages)


def _result(results: Mapping[str, Mapping[str, Any]], stage: str) -> Mapping[str, Any]:
    if stage not in results:
        raise EvaluationError(
            f"no result of {stage} upstream of {', '.join(sorted(results))}; pass it with --input {stage}=DIR"
        )
    return results[stage]


def _mean_rows(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
