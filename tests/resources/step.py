"""A step of Dagster in a process of its own, which a test can cancel or kill.

python -m tests.resources.step MODULE:CLASS FIELDS FOLDER WAYS
"""

import json
import sys
from importlib import import_module
from pathlib import Path

from tests.resources.launching import launched, toy

if __name__ == "__main__":
    where, fields, folder, ways = sys.argv[1:]
    module, _, name = where.partition(":")
    launcher = getattr(import_module(module), name)(**json.loads(fields))
    launched(launcher, toy(Path(folder), ways), Path(folder), grace_s=10)
