import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.resources.preset import preset_from_environment


def test_the_environment_names_preset_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_PRESET", "other")
    monkeypatch.setenv("AGENTWORLD_SEED", "3")
    assert (preset_from_environment().name, preset_from_environment().seed) == ("other", 3)


@pytest.mark.parametrize("seed", ["abc", "-1", "1.5", "", str(2**32)])
def test_a_seed_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    monkeypatch.setenv("AGENTWORLD_SEED", seed)
    with pytest.raises(ConfigError, match=f"{seed}: expected a whole number from 0 to"):
        preset_from_environment()
