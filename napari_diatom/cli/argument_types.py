"""Values of arguments: what cannot be meant is refused before a command starts."""

from __future__ import annotations

import argparse
from pathlib import Path


def text(value: str) -> str:
    """Return text as it is; an empty one, as a variable of a shell script that is not set gives it, is refused."""
    if not value:
        raise argparse.ArgumentTypeError("it is empty; give a value, or leave the option out")
    return value


def place(text: str) -> Path:
    """Return the path of a file or folder; an empty one would be the working folder and is refused."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give the path of a file or folder")
    return Path(text)


def decimal(text: str) -> float:
    """Return a number; one that is written with a comma is refused with the right way to write it."""
    try:
        return float(text)
    except ValueError:
        point = text.replace(",", ".") if text.count(",") == 1 and "." not in text else ""
        hint = f"write {point}" if point.replace(".", "", 1).isdigit() else "give a number, such as 0.1"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; {hint}") from None


def integer(text: str) -> int:
    """Return a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def integers(text: str) -> tuple[int, ...]:
    """Return whole numbers that are separated by commas."""
    return tuple(integer(part.strip()) for part in text.split(","))
