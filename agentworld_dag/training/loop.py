"""A Trainer's loop that may end at any moment and goes on where it was.

A checkpoint holds all that later steps depend on: weights, optimizer, schedule,
place in the data, random numbers. There is one every `save_steps` steps, and one
more when SIGTERM asks to stop; SIGKILL and SIGINT cost the steps since the last.
transformers' `enable_jit_checkpoint` is left out: it saves in the middle of a
step, whose random numbers are then drawn twice. So is agreement between several
processes on the step to stop at.
"""

from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from agentworld_dag.stage import Stage
from agentworld_dag.stopping import StopRequest
from agentworld_dag.training.checkpoints import last_whole_checkpoint, seal
from agentworld_dag.training.progress import ReportProgress


def train_to_end(trainer: Trainer, stage: Stage) -> None:
    """Train from the last whole checkpoint, if there is one, to the last step.

    Raises Stopped when asked to stop before it; there is a checkpoint of that step then.
    """
    leaving = LeaveCheckpoints(stage.stop)
    for callback in (leaving, ReportProgress(stage)):
        trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)  # ReportProgress speaks for the Trainer
    resume = last_whole_checkpoint(stage.out / "trainer", stage.log)
    with stage.stop.put_off():
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if leaving.stopped_at is not None:
        stage.stop.obey(f"asked to stop, kept step {leaving.stopped_at} of {trainer.state.max_steps}")


class LeaveCheckpoints(TrainerCallback):
    """Seals the Trainer's checkpoints, and stops after one when asked to. State: the step it stopped at."""

    def __init__(self, request: StopRequest) -> None:
        self._request = request
        self.stopped_at: int | None = None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:
            # From a checkpoint of the last step the Trainer would take one step more; the final weights follow anyway.
            control.should_save = False
            control.should_log = True
        elif self._request.asked:
            control.should_save = control.should_training_stop = True
        # A loss that is not logged by then is in no checkpoint.
        control.should_log |= control.should_save

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        seal(Path(args.output_dir or ".") / f"checkpoint-{state.global_step}")
        if self._request.asked:
            control.should_training_stop = True
            self.stopped_at = state.global_step


def mean_loss(history: list[dict[str, Any]]) -> float:
    """Over all steps of a log history, however often training was interrupted."""
    step, total = 0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - step)
            step = entry["step"]
    return total / step
