import pytest

from agentworld_dag.evaluation.error_kind import error_kind, exit_code


@pytest.mark.parametrize(
    ("observation", "kind"),
    [
        ("red\n~$", "none"),
        ("~[1]$", "exit_1_silent"),
        ("~/docs[2]$\n", "exit_2_silent"),
        ("cat: note: No such file or directory\n~[1]$", "no_such_file"),
        ("cat: docs: Is a directory\n~[1]$", "is_a_directory"),
        ("cp: -r not specified; omitting directory 'docs'\n~[1]$", "is_a_directory"),
        ("mkdir: cannot create directory 'docs': File exists\n~[1]$", "exists"),
        ("rmdir: failed to remove 'docs': Directory not empty\n~[1]$", "not_empty"),
        ("mv: 'memo' and 'memo' are the same file\n~[1]$", "same_file"),
        ("bash: cd: memo: Not a directory\n~[1]$", "not_a_directory"),
        ("bash: lss: command not found\n~[127]$", "command_not_found"),
        ("cp: missing file operand\nTry 'cp --help' for more information.\n~[1]$", "usage"),
        ("bash: cd: too many arguments\n~[1]$", "usage"),
        ("bash: syntax error near unexpected token `)'\nbash: `cat memo )'\n~[2]$", "syntax"),
        ("bash: unexpected EOF while looking for matching `\"'\n~[2]$", "syntax"),
        ("something went wrong\n~[3]$", "other"),
        (None, "unusable"),
    ],
)
def test_an_error_is_told_from_its_message_and_its_exit_code(observation: str | None, kind: str) -> None:
    assert error_kind(observation) == kind


def test_the_exit_code_is_that_of_the_closing_prompt() -> None:
    assert [exit_code(text) for text in ("~[127]$", "~$", "list[3]$ is a text\n~$", "no prompt")] == [127, 0, 0, 0]
