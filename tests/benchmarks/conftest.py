from tests.small_loop import base, splits

__all__ = ["base", "splits"]
