"""A key-value cache with room for the whole answer.

The library's growing cache copies itself for every new token, which is most
of the time of a small model's decoding; this one writes into place. Rows that
begin alike share their beginning: it is read once and broadcast. Models with
full attention only (every Qwen3); others need the library's own caches.
"""

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer


def roomy_cache(layers: int, rows: int, tokens: int) -> DynamicCache:
    """A cache for `rows` sequences of up to `tokens` tokens; feed it a shared beginning as a single row."""
    cache = DynamicCache()
    cache.layers = [_RoomyLayer(rows, tokens) for _ in range(layers)]  # pyright: ignore[reportAttributeAccessIssue]
    cache.layer_class_to_replicate = None
    return cache


def shared_beginning(sequences: list[list[int]]) -> int:
    """How many leading tokens all sequences have in common, at least one token of each left over."""
    first, last = min(sequences), max(sequences)
    longest = min(len(sequence) for sequence in sequences) - 1
    return next((i for i in range(longest) if first[i] != last[i]), max(longest, 0))


class _RoomyLayer(DynamicLayer):
    def __init__(self, rows: int, tokens: int) -> None:
        super().__init__()
        self._rows, self._tokens, self._filled = rows, tokens, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        _, heads, _, key_size = key_states.shape
        self._all_keys = key_states.new_empty(self._rows, heads, self._tokens, key_size)
        self._all_values = value_states.new_empty(self._rows, heads, self._tokens, value_states.shape[-1])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, new = key_states.shape[0], slice(self._filled, self._filled + key_states.shape[2])
        self._all_keys[:, :, new], self._all_values[:, :, new] = key_states, value_states
        self._filled = new.stop
        self.keys, self.values = self._all_keys[:rows, :, : new.stop], self._all_values[:rows, :, : new.stop]
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self._filled
