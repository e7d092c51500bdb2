"""A stage that does not fit is told what would, and that is true."""

from dataclasses import replace

from agentworld_dag.scale.case import Case
from agentworld_dag.scale.memory import memory
from agentworld_dag.scale.remedies import fits, remedies
from tests.scale.test_memory import case


def on_one_node(found: Case) -> Case:
    return replace(found, needs=found.needs.model_copy(update={"nodes": 1}))


def test_what_fits_needs_nothing():
    assert remedies(case("base", "training.sft")) == []


def test_the_least_of_each_change_is_named_and_is_enough():
    tight = on_one_node(case("base", "training.sft"))
    assert remedies(tight) == ["2 nodes"]
    tight = replace(tight, work=replace(tight.work, tokens_per_pass=tight.work.tokens_per_pass // 2))
    assert not fits(tight)
    assert remedies(tight) == ["moments in 8 bits", "2 nodes"]
    eight_bits = tight.plan.bytes.model_copy(update={"moment": 1})
    assert fits(replace(tight, plan=tight.plan.model_copy(update={"bytes": eight_bits})))


def test_kept_activations_are_the_first_to_go():
    kept = case("base", "training.sft")
    kept = replace(kept, needs=kept.needs.model_copy(update={"recompute_activations": False}))
    assert remedies(kept)[0] == "recompute activations"


def test_generating_has_remedies_of_its_own():
    crowd = case("base", "agents.agent_rl")
    rollouts = crowd.plan.rollouts.model_copy(update={"sequences": 128})
    found = remedies(replace(crowd, plan=crowd.plan.model_copy(update={"rollouts": rollouts})))
    assert "32 sequences generated at once" in found
    assert not any("passes" in words or "one sequence" in words for words in found)


def test_a_processor_is_told_how_much_it_needs():
    tiny = case("tiny", "training.world_model_rl")
    little = replace(tiny, needs=tiny.needs.model_copy(update={"memory_gib": 0.05}))
    assert remedies(little)[-1] == "1 GiB of memory"
    assert memory(little).total < 1


def test_where_no_single_change_helps_none_is_named():
    huge = case("large", "training.sft")
    hopeless = replace(huge, plan=huge.plan.model_copy(update={"reserved_gib": 200.0}))
    assert remedies(hopeless) == []
