"""Numbers and names that a person hands over in Python, where anything may come."""

from __future__ import annotations

import errno
import math
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted


def given_number(value: Any, what: str) -> float:
    """Return a value as a float; ``what`` names it in messages, such as ``"threshold"``.

    Raises
    ------
    InputError
        When it is not a number: text, a truth value, a list, a complex number, or an integer beyond all floats.
    """
    value = _without_array(value)
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        try:
            return float(value)
        except OverflowError:
            return -math.inf if value < 0 else math.inf
    raise InputError(f"{what} is {quoted(value)}; give a number.")


def given_integer(value: Any, what: str) -> int:
    """Return a value as an int; ``what`` names it in messages, such as ``"threads"``.

    Raises
    ------
    InputError
        When it is not a whole number.
    """
    value = _without_array(value)
    if isinstance(value, Integral) and not isinstance(value, bool | np.bool_):
        return int(value)
    raise InputError(f"{what} is {quoted(value)}; give a whole number.")


def given_path(value: Any, what: str) -> Path:
    """Return a value as the path of a file or folder; ``what`` names it in messages, such as ``"images"``.

    Empty text is refused: Python takes it for the working folder.

    Raises
    ------
    InputError
        When it is neither text nor a path, is empty, or is a name that no file can have.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{what} is of type {type(value).__name__}; give the path of one file or folder.")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise InputError(f"{what} is of type {type(text).__name__}; give the path of one file or folder.")
    if not text:
        raise InputError(f"{what} is empty; give the path of a file or folder.")
    try:
        os.stat(text)
    except ValueError:  # a NUL
        raise InputError(f"{quoted(text)} is not the name of a file.") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{quoted(text)} is not the name of a file: it is too long.") from None
    return Path(text)


def _without_array(value: Any) -> Any:
    """Return the number in an array that holds a single one and has no axis; anything else as it is."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
