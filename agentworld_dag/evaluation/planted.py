"""Actions that a shell must refuse or ignore, planted in held-out states and sent to the real one.

Recorded sessions hold few of them, and a simulator that lets them pass teaches
an agent that nothing can go wrong (paper.md metric 7). Malformed: bash cannot
parse it. Empty: nothing to run. Illegal: a command that does not exist, one
without its operand, a file that is not there. What each deserves is not
written here: the real shell says it.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agentworld_dag.environments.file_system import CWD
from agentworld_dag.environments.protocol import Environment
from agentworld_dag.environments.tasks import NAMES, WORDS
from agentworld_dag.errors import SandboxError, TrajectoryError
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.trajectories.patch import parse_state
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Turn

MALFORMED = ("echo {word} >", "cat {name} )", 'echo "{word}', "ls |", "&& ls", "cat {name} ;;", "echo $({word}", "if")
EMPTY = ("", " ", "   ")
UNKNOWN = ("lss", "catt {name}", "remove {name}", "erase {name}", "mkdri {name}", "gerp {word} {name}", "coppy {name}")
NO_OPERAND = ("cp", "mv", "rm", "mkdir", "rmdir", "touch", "head -n", "cp {name}", "mv {name}")
ABSENT = ("cat {name}", "rm {name}", "cd {name}", "ls {name}", "wc -l {name}", "head -n 1 {name}", "grep {word} {name}")


@dataclass(frozen=True)
class Planted:
    """One action of one class for the state that `place` met; the recorded action of `place` is not sent."""

    action_class: str
    place: Place
    action: str


def plant(places: Sequence[Place], seed: int) -> list[Planted]:
    """One action of each class at each place; a function of its arguments."""
    rng = random.Random(seed)
    return [
        Planted(action_class, place, make(_filling(place, rng), rng))
        for place in places
        for action_class, make in MAKERS.items()
    ]


async def answered(terminal: Environment, planted: Planted) -> Place | None:
    """The place with the planted action as its turn and the real answer as its truth; None where the shell gave none.

    A shell that hangs or dies of an action leaves no truth to compare with.
    """
    before = state_before(planted.place.trajectory, planted.place.turn_index)
    try:
        await terminal.reset(before, seed=0)
        turn = Turn(planted.action, await terminal.step(planted.action), await terminal.state())
    except (SandboxError, TrajectoryError):
        return None
    finally:
        await terminal.close()
    past = planted.place.trajectory.turns[: planted.place.turn_index]
    return Place(replace(planted.place.trajectory, turns=(*past, turn)), planted.place.turn_index)


def _illegal(filling: dict[str, str], rng: random.Random) -> str:
    return rng.choice(rng.choice((UNKNOWN, NO_OPERAND, ABSENT))).format(**filling)


MAKERS: dict[str, Callable[[dict[str, str], random.Random], str]] = {
    "malformed": lambda filling, rng: rng.choice(MALFORMED).format(**filling),
    "empty": lambda filling, rng: rng.choice(EMPTY),
    "illegal": _illegal,
}


def _filling(place: Place, rng: random.Random) -> dict[str, str]:
    """A word, and a name that is not in the working directory."""
    facts = parse_state(state_before(place.trajectory, place.turn_index))
    here = facts.get(CWD, "~").removeprefix("~").removeprefix("/")
    absent = [name for name in NAMES if (f"{here}/{name}" if here else name) not in facts] or ["absent"]
    return {"word": rng.choice(WORDS), "name": rng.choice(absent)}
