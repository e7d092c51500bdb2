"""`agentworld plan`: what a person reads, and one line where there is nothing to read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.config import load_preset
from agentworld_dag.home import PRESETS
from agentworld_dag.scale.workload import workloads
from tests.preset_file import write_preset

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_every_preset_has_a_plan_in_which_it_fits(capsys, preset):
    assert cli.main(["plan", "--preset", preset]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{preset}: ")
    assert "TOO MUCH" not in shown
    assert shown.count(" fits") == len(workloads(load_preset(PRESETS / f"{preset}.yaml")))
    assert max(map(len, shown.splitlines())) <= 120


def test_the_page_shows_what_is_printed(capsys):
    cli.main(["plan", "--preset", "base"])
    assert f"```\n{capsys.readouterr().out}```" in (ROOT / "docs" / "scale.md").read_text()


def test_what_is_not_built_is_among_what_is_assumed(capsys):
    cli.main(["plan", "--preset", "base"])
    assert "one sequence in training split over 8 GPUs, which is not built" in capsys.readouterr().out
    cli.main(["plan", "--preset", "small"])
    assert "split over" not in capsys.readouterr().out


def test_one_stage_alone(capsys):
    assert cli.main(["plan", "--preset", "base", "--stage", "training.sft"]) == 0
    shown = capsys.readouterr().out
    assert "sft" in shown
    assert "cpt" not in shown


def test_a_later_round_has_a_plan_of_its_own(capsys):
    cli.main(["plan", "--stage", "training.sft"])
    first = capsys.readouterr().out
    cli.main(["plan", "--stage", "training.sft", "--round", "round-0002"])
    assert "1.2 M" in (later := capsys.readouterr().out)
    assert later != first


def test_what_does_not_fit_is_said_with_what_to_change(capsys, tmp_path: Path):
    path = tmp_path / "cramped.yaml"
    path.write_text("extends: base\nname: cramped\ncompute: {stages: {training.sft: {nodes: 1}}}\n")
    assert cli.main(["plan", "--preset", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("TOO MUCH") == 1
    assert "training.sft does not fit; each of these is enough: 2 nodes\n" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--preset", "nix"], "ConfigError: no preset at .*nix.yaml"),
        (["--stage", "training.nix"], "ConfigError: stage 'training.nix': expected one that trains: training.cpt, "),
        (["--round", "nightly"], "ConfigError: round 'nightly': expected a name like round-0001"),
    ],
)
def test_bad_input_is_one_line(caplog, capsys, arguments, complaint):
    assert cli.main(["plan", *arguments]) == 1
    assert capsys.readouterr().out == ""
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert re.match(complaint, caplog.records[0].getMessage())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"compute": {"default": {"gpus": 1}}}, "training.cpt asks for 1 GPUs and plan.gpu is null"),
        ({"plan": {"sequence_gpus": 3}}, "plan.sequence_gpus 3 does not divide the 1 devices of training.cpt"),
    ],
)
def test_sizes_that_contradict_each_other_are_named(caplog, tmp_path: Path, changes, complaint):
    assert cli.main(["plan", "--preset", str(write_preset(tmp_path / "p.yaml", **changes))]) == 1
    assert complaint in caplog.text


def test_no_plan_needs_torch():
    code = "import sys; from agentworld_dag.cli import main; main(['plan', '--preset', 'large'])\n"
    code += "sys.exit(str([name for name in ('torch', 'transformers', 'mlflow') if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("large: ")
    assert done.stderr.endswith("[]\n")
