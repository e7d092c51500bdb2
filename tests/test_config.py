from pathlib import Path

import pytest
import yaml

from agentworld_dag.config import Preset, load_preset
from agentworld_dag.errors import AgentWorldError, ConfigError
from tests.preset_file import write_preset

PRESETS = Path(__file__).parent.parent / "infra" / "presets"


@pytest.fixture
def changed(tmp_path):
    """Writes the tiny preset with one dotted field set, or removed where the value is `...`."""

    def write(field: str, value: object) -> Path:
        preset = yaml.safe_load((PRESETS / "tiny.yaml").read_text())
        *sections, name = field.split(".")
        section = preset
        for key in sections:
            section = section[key]
        section.pop(name, None) if value is ... else section.update({name: value})
        path = tmp_path / "changed.yaml"
        path.write_text(yaml.safe_dump(preset))
        return path

    return write


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_preset_loads_for_every_round(path):
    first, later = load_preset(path), load_preset(path, "round-0002")
    assert first.name == later.name == path.stem
    assert later.cpt.steps <= first.cpt.steps


def test_a_preset_has_what_it_says_and_else_what_it_extends():
    tiny, wide = load_preset(PRESETS / "tiny.yaml"), load_preset(PRESETS / "tiny-wide.yaml")
    assert (wide.model.hidden_size, wide.model.layers) == (192, tiny.model.layers)
    assert wide.model_copy(update={"name": tiny.name, "model": tiny.model}) == tiny


def test_a_preset_anywhere_extends_one_beside_it_or_a_shipped_one(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: tiny\nname: mine\nthreads: 3\n")
    (tmp_path / "yours.yaml").write_text("extends: mine\nname: yours\nsft: {steps: 7}\n")
    yours = load_preset(tmp_path / "yours.yaml")
    assert (yours.name, yours.threads, yours.sft.steps) == ("yours", 3, 7)
    assert yours.cpt == load_preset(PRESETS / "tiny.yaml").cpt


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ({"a": "extends: nix"}, r"no preset at .*nix\.yaml, which .*a\.yaml extends; presets in .*: .*tiny"),
        ({"a": "extends: [tiny]"}, r"no preset at .*, which .*a\.yaml extends"),
        ({"a": "extends: a"}, r"preset .*a\.yaml is not usable: a\.yaml extends a\.yaml, which never ends"),
        ({"a": "extends: b", "b": "extends: a"}, r"a\.yaml extends b\.yaml extends a\.yaml, which never ends"),
        (
            {"a": "extends: b", "b": "- a list"},
            r"preset .*a\.yaml is not usable: it extends b, which holds no settings",
        ),
        ({"a": "extends: b", "b": "b: ["}, r"preset .*b\.yaml is not usable: not YAML"),
        ({"a": "extends: tiny\nsft: {steps: 0}"}, r"preset .*a\.yaml is not usable: sft\.steps: .*greater than 0"),
        ({"a": "extends: tiny\nsft: {stepz: 1}"}, r"preset .*a\.yaml is not usable: sft\.stepz: Extra inputs"),
    ],
)
def test_an_extension_that_cannot_be_is_one_clear_error(tmp_path, written, complaint):
    for name, text in written.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_preset(tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ({"kv_heads": 3}, "kv_heads 3 does not divide heads 4"),
        (
            {"experts": {"count": 4, "active": 2, "shared_feed_forward_size": 0}},
            "not built from scratch: name a checkpoint",
        ),
        ({"experts": {"count": 4, "active": 5, "shared_feed_forward_size": 0}}, "5 experts active, there are 4"),
    ],
)
def test_a_model_that_cannot_be_is_refused(tmp_path, model, complaint):
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump({"extends": "tiny", "model": model}))
    with pytest.raises(ConfigError, match=complaint):
        load_preset(path)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no preset at .*huge\.yaml; presets in .*: .*tiny.*Set PRESET"):
        load_preset(PRESETS / "huge.yaml")


def test_an_unknown_preset_in_an_empty_folder_says_none(tmp_path):
    with pytest.raises(ConfigError, match="none"):
        load_preset(tmp_path / "huge.yaml")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threads", 0),
        ("collection.expert_noise", 1.5),
        ("splits.held_out", -0.1),
        ("sft.learning_rate", 0),
        ("sft.learning_rate", "fast"),
        ("sft.optimizer", "adam"),
        ("world_model_rl.group_size", 1),
        ("world_model_rl.temperature", 0.0),
        ("agent.rl.temperature", 2.5),
        ("simulator.mode", "oracle"),
        ("evaluation.control_temperatures", [0.5, -1]),
        ("benchmark.judge_trial.least_kappa", 1.5),
        ("benchmark.judge_trial.most_gain", 4.5),
        ("prices.gpu_hour", -0.01),
        ("prices.million_prompt_tokens", float("inf")),
        ("prices.cpu_core_hour", float("nan")),
        ("prices", ...),
        ("cpt.steps", ...),
        ("splits", ...),
    ],
)
def test_a_value_out_of_bounds_names_file_and_field(changed, field, value):
    path = changed(field, value)
    with pytest.raises(ConfigError) as caught:
        load_preset(path)
    assert str(path) in str(caught.value)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_episodes_than_a_round_has_numbers_for_are_refused(changed):
    with pytest.raises(ConfigError, match=r"collection: .*\d{7} episodes, a round has numbers for 1000000"):
        load_preset(changed("collection.task_episodes", 1_000_000))


def test_replay_alone_makes_no_round(changed):
    with pytest.raises(ConfigError, match=r"later_rounds\.replay_share: .*less than 1"):
        load_preset(changed("later_rounds.replay_share", 1.0))


@pytest.mark.parametrize("section", ["world_model_rl", "agent.rl"])
def test_passes_that_do_not_divide_a_step_are_refused(changed, section):
    with pytest.raises(ConfigError, match=rf"{section}: .*passes_per_step 7 does not divide the \d+ rows of a step"):
        load_preset(changed(f"{section}.passes_per_step", 7))


SHARDED = {"stages": {"training.world_model_rl": {"sharding": "fsdp2"}}}
ADAMW = {"optimizer": "adamw"}
COLOCATED = {"engine": "colocate"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "training.world_model_rl shards its weights, and muon needs whole matrices: set its optimizer to adamw"),
        (ADAMW, "training.world_model_rl shards the model that writes the answers: set its generation.engine to coloc"),
    ],
)
def test_shards_that_could_not_be_trained_are_refused(tmp_path, settings, complaint):
    path = write_preset(tmp_path / "preset.yaml", compute=SHARDED, world_model_rl=settings)
    with pytest.raises(ConfigError, match=complaint):
        load_preset(path)
    write_preset(path, compute=SHARDED, world_model_rl={**ADAMW, "generation": COLOCATED})
    assert load_preset(path).compute.needs("training.world_model_rl").sharding == "fsdp2"


def test_an_engine_that_cannot_be_split_over_the_processes_is_refused(tmp_path):
    path = write_preset(tmp_path / "preset.yaml", world_model_rl={"generation": {"tensor_parallel": 2}})
    with pytest.raises(
        ConfigError, match=r"tensor_parallel 2 does not divide the 1 processes of training\.world_model_rl"
    ):
        load_preset(path)


@pytest.mark.parametrize("field", ["cpt.lr", "agent.rl.beta", "seed"])
def test_an_unknown_key_is_refused_by_name(changed, field):
    with pytest.raises(ConfigError) as caught:
        load_preset(changed(field, 1))
    assert field in str(caught.value)
    assert "Extra inputs are not permitted" in str(caught.value)


@pytest.mark.parametrize("content", ["a: [", "", "- a list", "just text"])
def test_a_file_that_is_no_preset_is_one_clear_error(tmp_path, content):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"preset .*broken\.yaml is not usable: [^\n]+$"):
        load_preset(path)


def test_a_preset_cannot_be_changed():
    preset = load_preset(PRESETS / "tiny.yaml")
    with pytest.raises(ValueError, match="frozen"):
        preset.threads = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_a_preset_survives_its_own_dump():
    preset = load_preset(PRESETS / "tiny.yaml")
    assert Preset.model_validate(preset.model_dump(mode="json")) == preset


def test_config_errors_are_agentworld_errors():
    assert issubclass(ConfigError, AgentWorldError)


def test_two_endpoints_of_one_name_are_refused(tmp_path):
    endpoint = {"url": "http://one/v1", "model": "m", "temperature": 0, "max_tokens": 8, "timeout_s": 1, "at_once": 1}
    twins = [endpoint, endpoint | {"url": "http://two/v1"}]
    with pytest.raises(ConfigError, match="two endpoints answer as m"):
        load_preset(write_preset(tmp_path / "preset.yaml", benchmark={"endpoints": twins}))
