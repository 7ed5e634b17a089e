"""A terminal and a text editor whose keys are counted: part of ``day_clicks.py``."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PROGRAM: Final = "napari-diatom"


class Terminal:
    """Runs commands and changes text files, and counts what a person types for them.

    Parameters
    ----------
    folder : Path
        Where it is open.
    counts : Counter
        Takes the clicks, drags and keys.
    typed : list of str
        Takes what was typed.
    """

    def __init__(self, folder: Path, counts: Counter[str], typed: list[str]) -> None:
        self.folder = folder
        self._counts = counts
        self._typed = typed

    def command(self, text: str, counted_before: str = "") -> None:
        """Type a command of the program, and run it. Some of its words may have been counted before."""
        self.count(text)
        self.run([*text.split()[1:], *counted_before.split()])

    def count(self, text: str) -> None:
        """Type a command of the program, and do not run it."""
        program, words = text.split(" ", 1)
        assert program == PROGRAM
        self.words(words)
        self._counts["keys"] += 2 + 1
        self._typed[-1] = text

    def words(self, text: str) -> None:
        """Type words of a command."""
        for word in text.split(" "):
            self._counts["keys"] += 1 + _keys_of(word, self.folder)
        self._typed.append(text)

    def run(self, words: Sequence[str]) -> None:
        """Run a command of the program, without counting it."""
        line = [sys.executable, "-m", "napari_diatom.cli", *words]
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")

    def edit(self, file: Path, *places: tuple[str, str]) -> None:
        """Replace a text at each place of a file that is open in the editor, and save it."""
        text = file.read_text(encoding="utf-8")
        for before, after in places:
            assert before in text, f"{file.name} does not contain {before!r}:\n{text}"
            text = text.replace(before, after, 1)
            start = _shared(before, after)
            old, new = before[start:], after[start:]
            end = _shared(old[::-1], new[::-1])
            old, new = old[: len(old) - end], new[: len(new) - end]
            self._counts["drags" if old else "clicks"] += 1
            self._counts["keys"] += len(new) or 1
            self._typed.append(f"{before!r}: {after!r}")
        file.write_text(text, encoding="utf-8")
        self._counts["keys"] += 1

    def open_file(self) -> None:
        """Open a text file in the editor."""
        self._counts["clicks"] += 2

    def cut_and_paste(self, file: Path, text: str) -> None:
        """Take a text out of one place of an open file and put it in another, as the file is then, and save it."""
        file.write_text(text, encoding="utf-8")
        self._counts["drags"] += 1
        self._counts["clicks"] += 1
        self._counts["keys"] += 3

    def write(self, file: Path, text: str) -> None:
        """Write a new text file: its text, its name, and Enter."""
        file.write_text(text, encoding="utf-8")
        self._counts["keys"] += 1 + len(text) + 1 + len(file.name) + 1
        self._typed.append(text)


def _keys_of(word: str, folder: Path) -> int:
    """Return the keys of a word: each part of a path that is there is its first letter and Tab, if that is shorter."""
    return min(2 * len(Path(word).parts), len(word)) if (folder / word).exists() else len(word)


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
