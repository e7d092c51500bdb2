"""One trajectory schema for every domain (paper section 2.2).

    system prompt := task description + action space + initial state
                     + demonstrations + simulation instruction
    trajectory    := system prompt + [(action, observation), ...]

Beyond the paper each turn may carry `state`, the environment's own record of
the truth after the action: the SFT trace is computed from it, so the trace is
right by construction. Agent reasoning never enters (an *environment*
trajectory, paper section 2.1). How a trajectory becomes chat messages is not
decided here but in `render`.
"""

from dataclasses import dataclass, field
from typing import Literal

Domain = Literal["terminal", "swe", "mcp", "search", "web", "os", "android"]
Outcome = Literal["success", "failure", "no_goal", "timed_out", "died"]
Kind = Literal["exploratory", "task"]


@dataclass(frozen=True)
class SystemPrompt:
    """The five parts the world model is conditioned on; empty string means absent."""

    task_description: str
    """Static per domain: what kind of environment is simulated."""
    action_space: str
    """What the actor may send."""
    initial_state: str = ""
    """The true state before the first action, as `patch` lines."""
    demonstrations: str = ""
    simulation_instruction: str = ""


@dataclass(frozen=True)
class Turn:
    """One action of the actor and what the environment answered."""

    action: str
    observation: str | None
    """None where the environment gave no answer (it hung or died): kept, and quarantined by `clean`."""
    state: str | None = None
    """The true state after the action, as `patch` lines, where the environment can be read."""
    consulted: str | None = None
    """The facts of the state before the action that the action refers to, as `patch` lines."""


@dataclass(frozen=True)
class Provenance:
    """Where a trajectory came from: enough to make it again."""

    environment: str
    environment_version: str
    sandbox: str
    """Isolation back end: observations may differ between back ends."""
    policy: str
    seed: int
    recorded_at: str
    """UTC, ISO 8601."""
    code_version: str


@dataclass(frozen=True)
class Trajectory:
    """A whole episode; `task` is the JSON of the task instance, empty when exploratory."""

    id: str
    domain: Domain
    kind: Kind
    system: SystemPrompt
    turns: tuple[Turn, ...]
    outcome: Outcome
    provenance: Provenance
    task: str = ""
    failure: str = field(default="")
    """Why the session timed out or died; empty otherwise."""
