"""What Slurm is told and asked, through its own commands.

Text is read and not `--json`, whose layout changes between Slurm's versions.
Nothing here waits or tries again: that is the launcher's business.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.errors import ClusterError

ANSWER_TIMEOUT_S = 120.0
ENDED = frozenset(
    {
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY"),
        *("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "REVOKED"),
    }
)
"""States after which a job does not come back; in every other one it waits, runs or is being cleared away."""
NO_CONNECTION = re.compile(
    r"Unable to contact slurm controller|Communication \w+ |Socket timed out|Zero Bytes were transmitted"
    r"|standby mode|Connection refused|Connection reset|temporarily unable"
)
FORGOTTEN = "Invalid job id"
FIELD = re.compile(r"(?:^|\s)(JobState|Reason|ExitCode|RunTime)=(\S+)")


class Unreachable(ClusterError):
    """Slurm's controller gave no answer. What it was told may have been done all the same."""


@dataclass(frozen=True)
class Job:
    """What Slurm knows of a job."""

    id: str
    state: str
    reason: str = ""
    """Slurm's own: why it waits, or why it ended."""
    code: int = 0
    signal: int = 0
    """Number of the signal that ended the job's process; then `code` is 0."""
    run_s: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def submit(options: Sequence[str], script: Path) -> str:
    """The id of the new job. Raises ClusterError when Slurm refuses it."""
    return _asked("sbatch", "--parsable", *options, str(script)).strip().split(";")[0]


def live_job(name: str, folder: Path) -> str | None:
    """The job of this user with that name and working folder that has not ended, the oldest if there are more."""
    return oldest_live(
        _asked("squeue", "--me", "--noheader", f"--name={name}", "--states=all", "-o", "%i|%T|%Z"), folder
    )


def job(job_id: str) -> Job | None:
    """None once Slurm has forgotten it: `MinJobAge` seconds after its end, unless there is accounting."""
    try:
        return shown_job(job_id, _asked("scontrol", "--oneliner", "show", "job", job_id))
    except ClusterError as error:
        if FORGOTTEN not in str(error):
            raise
    return _accounted(job_id)


def cancel(job_id: str) -> None:
    """Ask for its end: SIGTERM now, SIGKILL after the `KillWait` of slurm.conf. A job that is over is left alone."""
    _asked("scancel", "--quiet", job_id)


def oldest_live(queue: str, folder: Path) -> str | None:
    """From lines `id|state|working folder` of squeue."""
    rows = [line.split("|", 2) for line in queue.splitlines() if line]
    live = [job_id for job_id, state, where in rows if state not in ENDED and where == str(folder)]
    return min(live, key=int, default=None)


def shown_job(job_id: str, shown: str) -> Job:
    """From one line of `scontrol --oneliner show job`."""
    fields = dict(reversed(FIELD.findall(shown)))  # the first of equal names is the job's own
    if "JobState" not in fields:
        raise ClusterError(f"expected JobState=... of job {job_id} from scontrol, found {shown!r}")
    code, signal = _exit(fields["ExitCode"])
    return Job(job_id, fields["JobState"], fields["Reason"], code, signal, seconds(fields["RunTime"]))


def accounted_job(job_id: str, rows: str) -> Job | None:
    """From lines `state|exit code|seconds` of sacct: of a job that was requeued, the last holds."""
    if not rows.strip():
        return None
    state, exited, run_s = rows.strip().splitlines()[-1].split("|")
    return Job(job_id, state.split()[0], state, *_exit(exited), int(run_s))  # "CANCELLED by 1000"


def seconds(span: str) -> int:
    """From Slurm's [days-]hours:minutes:seconds."""
    days, _, clock = span.rpartition("-")
    hours, minutes, rest = clock.split(":")
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(rest)


def _accounted(job_id: str) -> Job | None:
    columns = ("--allocations", "--noheader", "--parsable2", "--format=State,ExitCode,ElapsedRaw")
    try:
        return accounted_job(job_id, _asked("sacct", "--jobs", job_id, *columns))
    except Unreachable:
        raise
    except ClusterError:  # a cluster without accounting
        return None


def _exit(field: str) -> tuple[int, int]:
    code, _, signal = field.partition(":")
    return int(code), int(signal)


def _asked(*command: str) -> str:
    """What the command prints. Raises Unreachable, or ClusterError in Slurm's own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S)
    except FileNotFoundError as error:
        raise ClusterError(f"no {command[0]} on PATH: run on a machine that submits to Slurm") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{command[0]} gave no answer for {ANSWER_TIMEOUT_S:.0f} s") from error
    if done.returncode == 0:
        return done.stdout
    words = " ".join(done.stderr.split()) or f"{command[0]} ended with code {done.returncode}"
    broken_off = done.returncode < 0  # by SIGPIPE, when the controller closes a connection it was slow to serve
    raise Unreachable(words) if broken_off or NO_CONNECTION.search(words) else ClusterError(words)
