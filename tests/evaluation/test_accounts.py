import pytest

from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.accounts import average, break_even, lineage, open_accounts, uses_to_pay_off
from tests.evaluation.recorded import REAL_STEPS, write_round

MEASURED = ("fidelity_report", "real_env_evaluation", "simulator_evaluation")


@pytest.fixture
def results(tmp_path):
    folders = write_round(tmp_path)
    return lineage({name: folders[name] for name in MEASURED})


def test_lineage_reaches_every_stage_by_its_own_name(results):
    assert {"raw_trajectories", "world_model_sft", "agent_demonstrations", "agent_scratch"} <= set(results)
    assert "start" not in results


def test_each_arm_is_charged_what_it_stands_on(results):
    accounts = open_accounts(results, start_share=0.2)
    steps = {arm: account.steps for arm, account in accounts.arms.items()}
    assert steps == {
        "base": 6000 * 0.2 + 100,
        "sim_rl": 6000 + 100,
        "real_rl": 6000 * 0.2 + 100 + 2500,
        "real_rl_scarce": 6000 * 0.2 + 100 + 300,
        "warmup": 6000 + 100,
        "scratch": 100,
    }


def test_seconds_include_the_world_model_and_the_base_arm(results):
    account = open_accounts(results, start_share=0.2).arms["sim_rl"]
    assert account.world_model_s == 30 + 60 + 6 * 5
    assert account.practice_s == 20 + 5
    assert account.seconds == account.world_model_s + account.practice_s + 5


@pytest.mark.parametrize(
    ("fixed", "simulated", "real", "uses"),
    [
        (6000, 0, 2500, 3),  # 2 policies cost 5000 real steps for real, 3 cost 7500
        (6000, 0, 3000, 3),  # equal at 2, saved at 3
        (100, 0, 2500, 1),
        (6000, 500, 2500, 4),
        (6000, 2500, 2500, None),
        (6000, 0, 0, None),
    ],
)
def test_uses_to_pay_off(fixed, simulated, real, uses):
    assert uses_to_pay_off(fixed, simulated, real) == uses


@pytest.mark.parametrize(
    ("matches", "policies", "said"),
    [("yes", 3, "3 policies (6,000"), ("no", None, "Never at equal success"), ("undecided", 3, "undecided here")],
)
def test_break_even_depends_on_whether_simulation_matches(results, matches, policies, said):
    found = break_even(open_accounts(results, start_share=0.2), matches)
    assert found["policies"] == policies
    assert found["policies_if_matched"] == 3
    assert said in found["statement"]


def test_simulation_that_is_slower_per_policy_never_saves_time(results):
    assert break_even(open_accounts(results, start_share=0.2), "yes")["policies_wall_time"] is None


def test_practice_that_costs_no_more_for_real_never_pays(tmp_path):
    folders = write_round(tmp_path, real_steps={**REAL_STEPS, "agent_real_rl": 0})
    found = break_even(open_accounts(lineage(folders), start_share=0.2), "yes")
    assert found["policies"] is None
    assert found["statement"].startswith("Never")


def test_a_missing_stage_is_named(results):
    del results["agent_demonstrations"]
    with pytest.raises(EvaluationError, match="no result of agent_demonstrations"):
        open_accounts(results, start_share=0.2)


def test_a_stage_that_did_not_count_its_steps_is_named(results):
    results["agent_real_rl"]["metrics"] = {"loss": 1.0}
    with pytest.raises(EvaluationError, match="agent_real_rl recorded no real_steps among loss"):
        open_accounts(results, start_share=0.2)


def test_average_over_seeds(tmp_path):
    few = open_accounts(lineage(write_round(tmp_path / "few")), 0.2)
    many = open_accounts(lineage(write_round(tmp_path / "many", real_steps={**REAL_STEPS, "agent_real_rl": 3500})), 0.2)
    assert average([few, many]).arms["real_rl"].practice_steps == 3000
    assert average([few, few]) == few
