from tests.small_loop import base, splits, stage

__all__ = ["base", "splits", "stage"]
