import pytest

from agentworld_dag.config import load_preset
from agentworld_dag.home import preset_path
from agentworld_dag.scale.shape import parameters, query_size
from benchmarks.speed.operations import operations

SFT = "training.sft"


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_six_operations_per_parameter_and_token_and_attention_by_length(name):
    preset = load_preset(preset_path(name))
    model, tokens, length = preset.model, 5000, 300
    attention = 3 * 2 * model.layers * query_size(model) * length
    expected = tokens * (6 * parameters(model).multiplied + attention)
    assert operations(preset, SFT, tokens, length) == pytest.approx(expected)


def test_reading_costs_a_third_of_training_and_writing_more_than_reading():
    preset = load_preset(preset_path("small"))
    trained = operations(preset, SFT, 9000, 300)
    read, written = (operations(preset, SFT, 0, 300, **{kind: 9000}) for kind in ("read", "written"))
    assert read == pytest.approx(trained / 3)
    assert read < written < trained
