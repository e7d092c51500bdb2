from agentworld_dag.training.labelled_head import IGNORED
from agentworld_dag.training.supervised import WINDOW_BATCHES, Sample, long_samples_apart, prompt_and_target


def samples(count: int) -> list[Sample]:
    return [Sample([i] * (1 + i * 7919 % 50), []) for i in range(count)]


def test_the_loss_covers_the_target_only() -> None:
    sample = prompt_and_target([1, 2], [3])
    assert sample == Sample([1, 2, 3], [IGNORED, IGNORED, 3])


def test_batching_by_length_loses_nothing_and_moves_nothing_out_of_its_window() -> None:
    before, batch = samples(1000), 7
    after = long_samples_apart(before, batch, seed=0)
    window = batch * WINDOW_BATCHES
    for start in range(0, 1000, window):
        assert {id(s) for s in after[start : start + window]} == {id(s) for s in before[start : start + window]}


def test_a_long_sample_pads_only_others_of_its_kind() -> None:
    batch = 7
    before = [Sample([i] * (100 if i % 10 == 0 else 20 + i % 5), []) for i in range(batch * WINDOW_BATCHES)]
    after = long_samples_apart(before, batch, 0)
    rows = [after[i : i + batch] for i in range(0, len(after), batch)]
    mixed = [row for row in rows if len({len(s.input_ids) > 50 for s in row}) == 2]
    assert len(mixed) <= 1
    assert after == long_samples_apart(before, batch, 0) != long_samples_apart(before, batch, 1)
