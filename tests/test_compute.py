"""What a stage asks of its machine."""

import pytest
from pydantic import ValidationError

from agentworld_dag.compute import Compute
from agentworld_dag.config import load_preset
from agentworld_dag.home import PRESETS

DEFAULT = load_preset(PRESETS / "tiny.yaml").compute.default.model_dump()


def test_a_script_has_the_default_but_for_what_differs() -> None:
    compute = Compute.model_validate(
        {"default": DEFAULT, "stages": {"training.sft": {"gpus": 8, "nodes": 2, "processes": 8}}}
    )
    assert compute.needs("agentworld_dag.training.sft").gpus == 8
    assert compute.needs("agentworld_dag.training.sft").cpus == DEFAULT["cpus"]
    assert compute.needs("agentworld_dag.training.cpt").model_dump() == DEFAULT


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ({"training.nix": {}}, "stages.training.nix names no script, expected one such as training.sft"),
        ({"training.sft": {"gpus": -1}}, "greater than or equal to 0"),
        ({"training.sft": {"gpu": 1}}, "Extra inputs are not permitted"),
        ({"training.sft": {"gpus": 8}}, "training.sft.processes is 1, expected one for each GPU, 8"),
        (
            {"evaluation.drift": {"processes": 2}},
            "evaluation.drift.processes is 2, expected 1: only the stages that tr",
        ),
        ({"simulator.bundle": {"nodes": 4}}, "simulator.bundle.nodes is 4, expected 1: only the stages that train"),
    ],
)
def test_unknown_scripts_and_fields_are_refused(stages: dict[str, dict[str, int]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Compute.model_validate({"default": DEFAULT, "stages": stages})


def test_the_default_is_for_stages_that_do_not_train_too() -> None:
    with pytest.raises(ValidationError, match=r"default.nodes is 2, expected 1: .*agents.agent_rl\) have more"):
        Compute.model_validate({"default": DEFAULT | {"nodes": 2}, "stages": {}})
