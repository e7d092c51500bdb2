"""A Trainer's loop that may end at any moment and goes on where it was.

A checkpoint holds all that later steps depend on: weights, optimizer, schedule,
place in the data, random numbers; and a copy of what the stage has logged and
used. There is one every `save_steps` steps, and one more when SIGTERM asks to
stop; SIGKILL and SIGINT cost the steps since the last. Where the lake has a
remote, each goes there too, and training goes on when it has arrived. Several
processes stop at the same step, and share their folder: on several nodes it has
to be on a common file system.
transformers' `enable_jit_checkpoint` is left out: it saves in the middle of a
step, whose random numbers are then drawn twice.
"""

import shutil
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from agentworld_dag.errors import StoreError, TrainError
from agentworld_dag.lake.unfinished import pull_last_checkpoint, push_checkpoint
from agentworld_dag.stage import GROWN, UNDER_WAY, Stage
from agentworld_dag.training.checkpoints import last_whole_checkpoint, seal, step_of
from agentworld_dag.training.progress import ReportProgress


def train_to_end(trainer: Trainer, stage: Stage) -> None:
    """Train from the last whole checkpoint, if there is one, to the last step.

    Raises Stopped when asked to stop before it; there is a checkpoint of that step then. Raises TrainError where the
    samples fill no step, which the Trainer passes over.
    """
    leaving = LeaveCheckpoints(stage)
    for callback in (leaving, ReportProgress(stage)):
        trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)  # ReportProgress speaks for the Trainer
    resume = stage.ranks.told(_place_to_resume(stage) if stage.ranks.is_first else None)
    with stage.stop.put_off():
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if leaving.stopped_at is not None:
        stage.stop.obey(f"asked to stop, kept step {leaving.stopped_at} of {trainer.state.max_steps}")
    if trainer.state.global_step == 0:
        raise TrainError(
            f"found samples for none of {trainer.state.max_steps} steps, expected at least as many as one step takes; "
            "collect more, or lower what a step takes (prompts_per_step, tasks_per_step, tokens_per_step)"
        )


def _place_to_resume(stage: Stage) -> Path | None:
    """The newest whole checkpoint, of this machine or of another one that began the stage."""
    folder = stage.out / UNDER_WAY
    here = last_whole_checkpoint(folder, stage.log)
    if there := pull_last_checkpoint(folder, step_of(here) if here else -1):
        stage.log(f"goes on from {there.name} of another machine")
        _copy_missing(there, stage.out)
    return last_whole_checkpoint(folder, stage.log) if there else here


def _copy_missing(place: Path, to: Path) -> None:
    for name in GROWN:
        if (place / name).is_file() and not (to / name).exists():
            shutil.copy(place / name, to / name)


class LeaveCheckpoints(TrainerCallback):
    """Seals the Trainer's checkpoints, and stops after one when asked to. State: the step it stopped at."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._asked = False
        self.stopped_at: int | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._asked = any(self._stage.ranks.each(self._stage.stop.asked))
        if state.global_step >= state.max_steps:
            # From a checkpoint of the last step the Trainer would take one step more; the final weights follow anyway.
            control.should_save = False
            control.should_log = True
        elif self._asked:
            control.should_save = control.should_training_stop = True
        # A loss that is not logged by then is in no checkpoint.
        control.should_log |= control.should_save

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._stage.ranks.meet()  # each has written its part
        if self._stage.ranks.is_first:
            self._keep(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")
        if self._asked:
            control.should_training_stop = True
            self.stopped_at = state.global_step

    def _keep(self, folder: Path) -> None:
        self._stage.meter.record()
        _copy_missing(self._stage.out, folder)
        seal(folder)
        try:
            push_checkpoint(folder)
        except StoreError as error:
            self._stage.log(f"{folder.name} stays on this machine: {error}")


def mean_loss(history: list[dict[str, Any]]) -> float:
    """Over all steps of a log history, however often training was interrupted."""
    step, total = 0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - step)
            step = entry["step"]
    return total / step
