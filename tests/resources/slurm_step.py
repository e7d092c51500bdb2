"""A step in a process of its own that has Slurm run the toy stage.

python -m tests.resources.slurm_step FOLDER WAYS
"""

import sys
from pathlib import Path

from tests.resources.launching import launched, toy
from tests.resources.real_slurm import slurm_jobs

if __name__ == "__main__":
    folder, ways = Path(sys.argv[1]), sys.argv[2]
    result, _ = launched(slurm_jobs(folder), toy(folder, ways), folder, resumes=0)
    sys.exit(not result.success)
