from agentworld_dag.benchmark.contamination import NGRAM, TrainingText, exposures
from agentworld_dag.benchmark.samples import BenchSample


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{i}" for i in range(count))


def sample(*observations: str, id: str = "a") -> BenchSample:
    actions = tuple(f"do{i}" for i in range(len(observations)))
    return BenchSample("terminal", id, len(observations), len(observations), "system", actions, observations)


def test_what_training_never_held_is_clean() -> None:
    (found,) = exposures([sample(words("x", 40))], [TrainingText("b", words("y", 1000))])
    assert found.clean
    assert (found.words, found.words_seen, found.id_seen) == (41, 0, False)


def test_a_copied_answer_is_found_whatever_is_around_it_and_however_it_is_spaced() -> None:
    copied = words("x", 40).replace(" ", "\n  ")
    (found,) = exposures([sample(words("x", 40))], [TrainingText("b", f"before {copied} after")])
    assert not found.clean
    assert found.words_seen == 40


def test_a_run_one_word_short_is_not_seen() -> None:
    training = [TrainingText("b", words("x", NGRAM - 1))]
    (found,) = exposures([sample(words("x", 40))], training)
    assert found.words_seen == 0
    (found,) = exposures([sample(words("x", 40))], [TrainingText("b", words("x", NGRAM))])
    assert found.words_seen == NGRAM


def test_overlapping_runs_count_each_word_once() -> None:
    text = words("x", 20)
    (found,) = exposures([sample(text)], [TrainingText("b", text), TrainingText("c", text)])
    assert found.words_seen == 20


def test_the_marks_of_a_layout_are_no_words() -> None:
    marked = "\n".join(
        f"### Turn {i}\n**Action:**\n```\nx{i}\n```\n**Environment Observation:**\ny{i}" for i in range(20)
    )
    plain = "\n".join(f"x{i}\ny{i}" for i in range(20))
    (found,) = exposures([sample(marked)], [TrainingText("b", plain)])
    assert (found.words, found.words_seen) == (41, 40)


def test_a_known_id_is_not_clean_even_with_other_words() -> None:
    found = exposures([sample(words("x", 40)), sample(words("x", 40), id="c")], [TrainingText("a", "nothing")])
    assert [each.clean for each in found] == [False, True]


def test_the_context_counts_and_the_system_prompt_does_not() -> None:
    (found,) = exposures([sample(words("x", 40), "fresh")], [TrainingText("b", f"system do0 {words('x', 40)}")])
    assert found.words_seen == 41
    assert found.words == 43


def test_a_sample_shorter_than_a_run_cannot_be_told_from_chance() -> None:
    (found,) = exposures([sample("~$")], [TrainingText("b", "do0 ~$")])
    assert found.clean
