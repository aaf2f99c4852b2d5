"""Shows the progress of a conversion on standard error, if that is a terminal."""

import sys


class Progress:
    """A line, overwritten at each step, that says how many of the model's weights have been written."""

    def __init__(self, total: int):
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()

    def __call__(self, elements: int) -> None:
        self._done += elements
        if self._shown:
            text = f"\rconvert: {self._done / 1e6:,.0f} of {self._total / 1e6:,.0f} million weights"
            print(text, end="", file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        if self._shown and self._done:
            print("\r\033[K", end="", file=sys.stderr)
