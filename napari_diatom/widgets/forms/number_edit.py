"""Inputs of numbers that keep every digit, have bounds and a unit, and may be left empty or hold a word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, cast

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QValidator, QWheelEvent
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named

_UNBOUNDED: Final = 1e15
"""Numbers without a bound end here: doubles hold all whole numbers up to it."""
_DIGITS: Final = 40
"""Decimals in which the spin box rounds; a double has no more that count."""
_FIRST_STEP: Final = 0.01
"""Step from zero."""


class NumberEdit(QDoubleSpinBox):
    """Edits one number, or None or a word where that is allowed.

    Parameters
    ----------
    whole : bool
        Whether the number is whole.
    least, most : float, optional
        Bounds, both included.
    step : float, optional
        Step of the arrows; by default a tenth of the number's order of magnitude, or 1.
    unit : str
        Shown behind the number.
    none : str, optional
        The text for None; without it, there is always a number.
    parent : QWidget, optional
        As of every widget.
    words : sequence of str
        What may stand in place of the number.
    """

    edited = Signal(object)
    """The number has changed."""

    def __init__(
        self,
        whole: bool = False,
        least: float | None = None,
        most: float | None = None,
        step: float | None = None,
        unit: str = "",
        none: str | None = None,
        parent: QWidget | None = None,
        words: Sequence[str] = (),
    ) -> None:
        super().__init__(parent)
        self._whole, self._step = whole, step
        # What stands below the least number, each one lower than that before it, by its text.
        self._special: dict[str, str | None] = {word: word for word in words}
        if none is not None:
            self._special[none] = None
        self._least = -_UNBOUNDED if least is None else float(least)
        self._most = _UNBOUNDED if most is None else float(most)
        self.setDecimals(_DIGITS)
        self.setRange(self._least - len(self._special), self._most)
        if unit:
            self.setSuffix(unit if unit == "°" else f" {unit}")
        if self._special:
            self.setSpecialValueText(list(self._special)[-1])
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.valueChanged.connect(lambda _: self.edited.emit(self.value()))

    def value(self) -> float | int | str | None:  # type: ignore[override]
        """Return the number, or None or the word in its place."""
        number = super().value()
        if self._special and number < self._least:
            return list(self._special.values())[self._place(number)]
        return round(number) if self._whole else number

    def setValue(self, value: float | str | None) -> None:
        """Show a number; None or a word where that is allowed."""
        if isinstance(value, str):
            value = self._below(list(self._special).index(value))
        super().setValue(self.minimum() if value is None else float(value))

    def textFromValue(self, value: float) -> str:
        """Return the shortest text that gives the same number again, or the word in its place."""
        if self._special and value < self._least:
            return list(self._special)[self._place(value)]
        return str(round(value)) if self._whole else repr(value).removesuffix(".0")

    def valueFromText(self, text: str | None) -> float:
        """Return the number in a text."""
        bare = self._bare(text or "")
        number = self._number(bare)
        if number is not None:
            return number
        words = [word.casefold() for word in self._special]
        return self._below(words.index(bare.casefold())) if bare.casefold() in words else self.minimum()

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Tell whether a text is a number within the bounds, or may become one."""
        typed, bare = text or "", self._bare(text or "")
        number = self._number(bare)
        words = [word.casefold() for word in self._special]
        special = bare.casefold() in words or (not bare and None in self._special.values())
        begun = any(word.startswith(bare.casefold()) for word in words)
        if special or (number is not None and self._least <= number <= self._most):
            state = QValidator.State.Acceptable
        elif begun or number is not None or all(letter in "+-.,eE0123456789" for letter in bare):
            state = QValidator.State.Intermediate
        else:
            state = QValidator.State.Invalid
        return state, typed, position

    def stepBy(self, steps: int) -> None:
        """Go up or down; below the least number come the words and None, one by one, where they are allowed."""
        number = self.value()
        if number is None or isinstance(number, str):
            place, last = self._place(super().value()) - steps, len(self._special) - 1
            lowest = self._least if self._least > 0 else self._step_at(0)
            around = place < 0 or (place > last and self._least > 0)
            super().setValue(lowest if around else self._below(min(place, last)))
            return
        wanted = float(Decimal(repr(number)) + steps * Decimal(repr(self._step_at(number))))
        if wanted < self._least and self._special:
            super().setValue(self._below(0))
        else:
            self.setValue(min(max(wanted, self._least), self._most))

    def sizeHint(self) -> QSize:
        """Return room for a few digits and the unit, however far the bounds are apart."""
        longest = max(f"{'0' * 8}{self.suffix()}", *self._special, key=len)
        return QSize(self.fontMetrics().horizontalAdvance(longest) + 36, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the same room."""
        return self.sizeHint()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the page unless the user is in this input."""
        if event is None or self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _below(self, place: int) -> float:
        """Return the number that stands for what may be in place of a number."""
        return self._least - 1 - place

    def _place(self, number: float) -> int:
        """Return which one such a number stands for."""
        return min(max(round(self._least - 1 - number), 0), len(self._special) - 1)

    def _bare(self, text: str) -> str:
        return text.strip().removesuffix(self.suffix().strip()).strip()

    def _number(self, bare: str) -> float | None:
        """Return the number in a text without unit, None where it has none; a comma is a decimal point."""
        try:
            number = float(bare.replace(",", "."))
        except ValueError:
            return None
        return None if not math.isfinite(number) or (self._whole and number != int(number)) else number

    def _step_at(self, number: float) -> float:
        """Return the step of the arrows at a number."""
        if self._step is not None:
            return self._step
        if self._whole:
            return float(max(1, 10 ** (len(str(abs(round(number)))) - 2)))
        if number == 0:
            return _FIRST_STEP
        return float(10.0 ** (math.floor(math.log10(abs(number))) - 1))


class NumbersEdit(QWidget):
    """Edits a fixed number of numbers side by side, or None where that is allowed.

    Parameters
    ----------
    count : int
        How many numbers there are.
    whole, least, most, step, unit, none
        As of :class:`NumberEdit`.
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """A number has changed."""

    def __init__(
        self,
        count: int,
        whole: bool = False,
        least: float | None = None,
        most: float | None = None,
        step: float | None = None,
        unit: str = "",
        none: str | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        last = count - 1
        self._parts = [
            NumberEdit(whole, least, most, step, unit if place == last else "", none) for place in range(count)
        ]
        for part in self._parts:
            layout.addWidget(part, 1)
            part.edited.connect(lambda _: self.edited.emit(None))

    def value(self) -> tuple[float | int | None, ...] | None:
        """Return the numbers, None where there is none at all."""
        numbers = tuple(cast("float | int | None", part.value()) for part in self._parts)
        return None if all(number is None for number in numbers) else numbers

    def setValue(self, value: tuple[float, ...] | None) -> None:
        """Show numbers; None where that is allowed."""
        for part, number in zip(self._parts, value or (None,) * len(self._parts), strict=True):
            part.setValue(number)

    def name_parts(self, name: str, label: str, tip: str) -> None:
        """Name each input for tests and screen readers."""
        for place, part in enumerate(self._parts):
            named(part, f"{name}.{place}").setAccessibleName(f"{label} {place + 1}")
            part.setToolTip(tip)
