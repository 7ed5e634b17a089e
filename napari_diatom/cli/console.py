"""What the commands print, and their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from napari_diatom.core.progress import Progress
    from napari_diatom.counting.batch_options import BatchResult
    from napari_diatom.engines.protocols import AnyEngine
    from napari_diatom.models.library import ModelFolder


OK: Final = 0
BAD_INPUT: Final = 2
SOME_SKIPPED: Final = 3
PROBLEMS: Final = 3
"""Of `doctor`: something does not work."""
INTERRUPTED: Final = 130
CODES: Final = "exit codes: 0 success; 2 bad input or no room to write; 3 some images were skipped; 130 interrupted"
Loader = Callable[["ModelFolder", str], "AnyEngine"]
_BESIDE: Final = {"tiles": "tile", "outlines": "outline", "names": "specimen"}
"""Steps within an image, and what they are counted in."""


class ProgressBar:
    """A progress bar on a terminal; silent elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show a step: images move the bar, tiles and names stand beside it."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=progress.total, unit="image", file=sys.stderr, dynamic_ncols=True)
        if progress.stage in _BESIDE:
            self._bar.set_postfix_str(f"{_BESIDE[progress.stage]} {progress.done}/{progress.total}")
        else:
            self._bar.total = progress.total
            self._bar.set_description_str(progress.message[-40:], refresh=False)
            self._bar.set_postfix_str("", refresh=False)
            self._bar.n = progress.done
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Print a line on stderr, above the bar where there is one."""
        if self._bar is None:
            print(text, file=sys.stderr)
        else:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal to others."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, numbers to the right."""
    text = [[escape_for_terminal(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    numeric = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(header))]
    for row in text:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)]
        print("  ".join(cells).rstrip())


def quiet_libraries() -> None:
    """Keep tifffile's log from the terminal: we report the faults of a file once."""
    import logging

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


def complain(message: str) -> int:
    """Print an error as one line and return the exit code for it."""
    print(f"napari-diatom: {escape_for_terminal(' '.join(message.split()))}", file=sys.stderr)
    return BAD_INPUT


def print_notices(result: BatchResult) -> None:
    """Print on stderr what the user should know of how images were read; what many have in common is said once."""
    from napari_diatom.core.text import many

    images: dict[str, list[str]] = {}
    for item in result.images:
        for notice in item.notices:
            images.setdefault(notice, []).append(item.image)
    sys.stdout.flush()
    for notice, names in images.items():
        others = f" and {many(len(names) - 1, 'more image')}" if len(names) > 1 else ""
        print(f"{names[0]}{others}: {notice}", file=sys.stderr)


def escape_for_terminal(text: str) -> str:
    """Return text that a terminal shows as it is: names in files may hold what moves the cursor or sets the title."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
