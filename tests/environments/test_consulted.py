import pytest

from agentworld_dag.environments.consulted import consulted

STATE = "cwd=~\ndocs/=\ndocs/list=cat/dog\ndocs/plan=fox\nmemo=red\nsrc/="


@pytest.mark.parametrize(
    ("action", "facts"),
    [
        ("cat memo", ["memo=red"]),
        ("cat docs/list > memo", ["docs/list=cat/dog", "memo=red"]),
        ("cat nothere", ["nothere?"]),
        ("echo red blue > docs/note", ["docs/note?"]),
        ("echo red >> memo", ["memo=red"]),
        ("head -n 1 memo", ["memo=red"]),
        ("grep red memo", ["memo=red"]),
        ("rm -r logs", ["logs?"]),
        ("mv memo docs", ["memo=red", "docs/="]),
        ("ls docs", ["docs/=", "docs/list=cat/dog", "docs/plan=fox"]),
        ("ls", ["docs/=", "memo=red", "src/="]),
        ("grep -l fox docs/*", ["docs/=", "docs/list=cat/dog", "docs/plan=fox"]),
        ("cd docs", ["docs/="]),
        ("cat memo memo", ["memo=red"]),
        ("", []),
        ("pwd", []),
    ],
)
def test_a_command_refers_to_the_facts_it_names(action: str, facts: list[str]) -> None:
    assert consulted(action, STATE).splitlines() == facts


def test_names_are_those_of_the_working_directory() -> None:
    inside = STATE.replace("cwd=~", "cwd=~/docs")
    assert consulted("cat list", inside) == "docs/list=cat/dog"
    assert consulted("cat ../memo", inside) == "memo=red"
    assert consulted("ls", inside).splitlines() == ["docs/=", "docs/list=cat/dog", "docs/plan=fox"]
