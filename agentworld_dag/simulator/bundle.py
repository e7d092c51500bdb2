"""A simulator that can be handed on: a checkpoint and the settings it answers with.

    python -m agentworld_dag.simulator.bundle --config infra/presets/tiny.yaml --seed 0 \
        --input world_model_rl=DIR --input trajectory_splits=DIR --out DIR

Before an agent may practise in it, the simulator answers turns of the
validation split; the graph stops here when it does no better than repeating
the last observation.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.errors import SimulatorError
from agentworld_dag.lake.shared import opened
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.serving.settings import Serving
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.simulator.simulated import Settings, SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Place, exact_share, predict, sample_places
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.schema import SystemPrompt

MANIFEST = "simulator.json"


@dataclass(frozen=True)
class Simulator:
    """A loaded simulator: many environments over one engine."""

    engine: Engine
    encoder: ChatEncoder
    settings: Settings

    def environment(self) -> SimulatedEnvironment:
        """A new episode slot."""
        return SimulatedEnvironment(self.engine, self.encoder, self.settings)


def work(stage: Stage) -> dict[str, Any]:
    validation = read_trajectories(stage.inputs["trajectory_splits"] / "validation.parquet")
    places = sample_places(validation, stage.preset.simulator.gate_turns, stage.seed)
    checkpoint = stage.inputs["world_model_rl"] / "checkpoint"
    write_simulator(stage, checkpoint, validation[0].system)
    with open_simulator(stage.out, stage.seed, stage.preset.serving) as simulator:
        predicted = predict_greedily(simulator, places)
    stage.meter.count_tokens(simulator.engine.tokens)
    return {
        "gate_turns": len(places),
        "gate_exact_match": exact_share(places, predicted),
        "gate_copy_exact_match": exact_share(places, [p.last_observation(FIRST_OBSERVATION) for p in places]),
        **simulator.engine.window.counts,
    }


def predict_greedily(simulator: Simulator, places: list[Place]) -> list[str | None]:
    """One-step predictions as the simulator would give them, at temperature 0."""
    settings = simulator.settings
    return predict(
        simulator.engine,
        simulator.encoder,
        places,
        settings.mode,
        settings.template,
        temperature=0.0,
        max_new_tokens=settings.max_new_tokens,
    )


def write_simulator(stage: Stage, checkpoint: Path, system: SystemPrompt) -> None:
    """Write the manifest into the stage's folder. The checkpoint is named, not copied: a lake may be moved whole."""
    chosen = stage.preset.simulator
    settings = Settings(
        mode=chosen.mode,
        temperature=chosen.temperature,
        max_new_tokens=chosen.max_new_tokens,
        template=stage.preset.model.template,
        system=SystemPrompt(system.task_description, system.action_space),
        first_observation=FIRST_OBSERVATION,
    )
    manifest = {"checkpoint": os.path.relpath(checkpoint, stage.out), "settings": asdict(settings)}
    (stage.out / MANIFEST).write_text(json.dumps(manifest, indent=2))


@contextmanager
def open_simulator(folder: Path, seed: int, serving: Serving) -> Iterator[Simulator]:
    """The simulator a folder describes. Raises SimulatorError when there is no manifest."""
    if not (folder / MANIFEST).is_file():
        raise SimulatorError(f"{folder} holds no {MANIFEST}; materialise the asset `simulator` first")
    manifest = json.loads((folder / MANIFEST).read_text())
    checkpoint = folder / manifest["checkpoint"]
    opened().pull(checkpoint.parent)
    settings = manifest["settings"]
    chosen = Settings(**{**settings, "system": SystemPrompt(**settings["system"])})
    with open_engine(checkpoint, seed, serving) as engine:
        yield Simulator(engine, ChatEncoder(engine.tokenizer), chosen)


if __name__ == "__main__":
    run_stage(work)
