"""What a fingerprint follows, and whether the recipes own up to every setting their scripts read."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag import code_version
from agentworld_dag.assets import agent, benchmark, data, evaluation, world_model
from agentworld_dag.assets.recipe import Recipe
from agentworld_dag.config import Preset
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.rounds import FIRST_ROUND
from tests.preset_file import write_preset

RECIPES = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (data, world_model, agent, benchmark, evaluation)
    for name, value in vars(module).items()
    if isinstance(value, Recipe)
}
EVERYWHERE = {"name", "threads", "collection"}
"""Settings that change nothing of what is made, and those that reach every stage through its inputs."""


@pytest.fixture
def mark(tmp_path: Path):
    """The fingerprint of a CPT-like recipe; changes by keyword."""

    def of(recipe: Recipe = world_model.CPT, seed: int = 0, upstream: str = "aaa", **changes) -> str:
        preset = RunPreset(name=str(write_preset(tmp_path / "preset.yaml", **changes)), seed=seed)
        return recipe.fingerprint(
            "world_model_cpt", preset, FIRST_ROUND, {"base_model": Path("/lake/base_model") / upstream}
        )

    return of


def test_fingerprint_follows_settings_seed_options_and_upstream(mark):
    original = mark()
    assert mark() == original
    assert mark(cpt={"steps": 5}) != original
    assert mark(seed=1) != original
    assert mark(upstream="bbb") != original
    assert mark(replace(world_model.CPT, options={"arm": "x"})) != original
    assert mark(replace(world_model.CPT, module="agentworld_dag.training.sft")) != original


def test_fingerprint_ignores_settings_of_other_stages_and_an_irrelevant_seed(mark):
    original = mark()
    assert mark(sft={"steps": 5}) == original
    assert mark(threads=2) == original
    assert mark(prices={"gpu_hour": 9.0}) == original
    unseeded = replace(world_model.CPT, seeded=False)
    assert mark(unseeded, seed=1) == mark(unseeded, seed=2)


def test_a_report_is_not_made_again_for_what_it_leaves_out(mark):
    original = mark(evaluation.REPORT)
    assert mark(evaluation.REPORT, prices={"gpu_hour": 9.0}, watch={"cool_down_h": 1.0}) == original
    assert mark(evaluation.REPORT, threads=2) != original


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_script_reads_no_setting_its_recipe_leaves_out(name):
    recipe = RECIPES[name]
    modules = {m for m in code_version.reachable(recipe.module) if not is_another_stage(m, recipe.module)}
    read = {section for module in modules for section in sections_read(module)}
    declared = {section.partition(".")[0] for section in recipe.sections}
    assert read - EVERYWHERE <= declared


def sections_read(module: str) -> Iterator[str]:
    """`agent` for a chain such as `stage.preset.agent.rl.steps`."""
    for node in ast.walk(code_version._tree(module)):
        chain = attribute_chain(node)
        if "preset" in chain[:-1] and (section := chain[chain.index("preset") + 1]) in Preset.model_fields:
            yield section


def attribute_chain(node: ast.AST) -> list[str]:
    """`a.b.c` as names; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [*reversed(names), ""] if not isinstance(node, ast.Name) else [node.id, *reversed(names)]


def is_another_stage(module: str, own: str) -> bool:
    """Stage scripts import small things from each other; their `work` is not run."""
    return module != own and any(module == recipe.module for recipe in RECIPES.values())
