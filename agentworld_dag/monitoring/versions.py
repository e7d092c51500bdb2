"""What the registry says about one version of a model. How it is asked is not known here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    number: int
    """Counted from 1, in the order in which versions were registered."""
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    """Sorted."""
    created_at: float
    """Epoch seconds."""
