"""The error vocabulary, one class per boundary.

A message says what was found, what was expected and what to do. A failed
sample (a dead shell, a refused judge call) is data and is recorded, not
raised: these classes are for what must stop a stage.
"""


class AgentWorldError(Exception):
    """Root of every error this package raises on purpose."""


class ConfigError(AgentWorldError):
    """A preset, a command line or an environment variable is unusable."""


class SandboxError(AgentWorldError):
    """No isolation can be had here, or a sandboxed session broke its contract."""


class TrajectoryError(AgentWorldError):
    """Recorded data does not satisfy the trajectory schema."""


class StoreError(AgentWorldError):
    """The lake cannot be read or written: missing, corrupt, or out of space."""


class TrainError(AgentWorldError):
    """A training stage cannot start, resume or finish."""


class SimulatorError(AgentWorldError):
    """A simulator bundle is unusable or the model behind it cannot answer."""


class EndpointError(AgentWorldError):
    """A model server cannot be reached or refuses every call."""


class ServerMemoryError(EndpointError, MemoryError):
    """A model server that a stage started had too little memory, of the machine or of a GPU."""


class JudgeError(AgentWorldError):
    """A judge is misconfigured or fails above its error budget."""


class RegistryError(AgentWorldError):
    """The MLflow server is unreachable or refuses a model."""


class EvaluationError(AgentWorldError):
    """A number was asked for that the measurements cannot give."""


class ClusterError(AgentWorldError):
    """The scheduler of a cluster cannot be asked, or refuses a job."""


class RunError(AgentWorldError):
    """A step of a run failed; the message is the step's own reason."""
