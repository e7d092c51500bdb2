"""A checkpoint of somebody else's: a folder, or an id of the model hub.

What comes from the hub lies in its own cache (`HF_HOME`), and a token for it in
`HF_TOKEN`.
"""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from agentworld_dag.errors import TrainError
from agentworld_dag.training.checkpoints import FILES

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
"""`owner/name`, and if wanted `@` with a branch, tag or commit."""


def checkpoint_folder(named: str) -> Path:
    """Where `named` is on this machine, fetched if need be. Raises TrainError."""
    if Path(named).is_dir():
        return Path(named)
    if not HUB_ID.fullmatch(named):
        raise TrainError(
            f"model.checkpoint {named} is no folder here and no id of the hub such as Qwen/Qwen3-0.6B-Base"
        )
    name, _, revision = named.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        said = " ".join(str(error).split())
        raise TrainError(
            f"model.checkpoint {named} does not come from the hub, name a folder instead: {said}"
        ) from error
