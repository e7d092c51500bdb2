from agentworld_dag.training.supervised import IGNORED, WINDOW_BATCHES, Sample, batched_by_length, prompt_and_target


def samples(count: int) -> list[Sample]:
    return [Sample([i] * (1 + i * 7919 % 50), []) for i in range(count)]


def test_the_loss_covers_the_target_only() -> None:
    sample = prompt_and_target([1, 2], [3])
    assert sample == Sample([1, 2, 3], [IGNORED, IGNORED, 3])


def test_batching_by_length_loses_nothing_and_moves_nothing_out_of_its_window() -> None:
    before, batch = samples(1000), 7
    after = batched_by_length(before, batch, seed=0)
    window = batch * WINDOW_BATCHES
    for start in range(0, 1000, window):
        assert {id(s) for s in after[start : start + window]} == {id(s) for s in before[start : start + window]}


def test_batches_hold_similar_lengths_in_an_order_that_follows_the_seed() -> None:
    before, batch = samples(700), 7

    def padding(ordered: list[Sample]) -> int:
        rows = [ordered[i : i + batch] for i in range(0, len(ordered), batch)]
        return sum(max(len(s.input_ids) for s in row) * len(row) - sum(len(s.input_ids) for s in row) for row in rows)

    assert padding(batched_by_length(before, batch, 0)) < padding(before) / 4
    assert batched_by_length(before, batch, 0) == batched_by_length(before, batch, 0)
    assert batched_by_length(before, batch, 0) != batched_by_length(before, batch, 1)
