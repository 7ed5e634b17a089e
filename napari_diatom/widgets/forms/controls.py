"""The magicgui widget of one option."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Final

from magicgui.backends._qtpy.widgets import QBaseValueWidget
from magicgui.widgets import CheckBox, ComboBox, LineEdit
from magicgui.widgets.bases import ValueWidget
from magicgui.widgets.protocols import ValueWidgetProtocol
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.forms.number_edit import NumberEdit, NumbersEdit
from napari_diatom.widgets.forms.option_fields import OptionField
from napari_diatom.widgets.forms.text_edits import ChoicesEdit, EntriesEdit, ListEdit, PathEdit, TextEdit

_NEEDED: Final = "not chosen yet"
"""Shown where a path has to be chosen."""


class _Backend(QBaseValueWidget):
    """Lets magicgui use a Qt widget that has a ``value``, ``setValue`` and ``edited``."""

    def __init__(self, make: Callable[..., QWidget], parent: QWidget | None = None) -> None:
        def qwidget(parent: QWidget | None = None) -> QWidget:
            return make(parent=parent)

        # magicgui needs no class here, but something that it can call and that has a name.
        super().__init__(qwidget, "value", "setValue", "edited", parent=parent)  # type: ignore[arg-type]


class Control(ValueWidget[Any]):
    """A magicgui widget around one of this package's inputs.

    Parameters
    ----------
    make : callable
        Makes the input, with a ``parent``.
    name, label, tooltip : str
        As of every magicgui widget.
    """

    _widget: ValueWidgetProtocol

    def __init__(self, make: Callable[..., QWidget], name: str, label: str, tooltip: str) -> None:
        super().__init__(
            widget_type=_Backend,
            backend_kwargs={"make": make},
            nullable=True,
            name=name,
            label=label,
            tooltip=tooltip,
        )


class _WheelGuard(QObject):
    """Keeps the wheel from changing a choice that the user only scrolls past."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to the page unless the user is in the input."""
        scrolled_past = (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        )
        if scrolled_past and event is not None:
            event.ignore()
        return scrolled_past


def control_of(field: OptionField, place: str, label: str) -> ValueWidget[Any]:
    """Return the widget of a field, which has an object name, a name for screen readers, and a tooltip.

    Parameters
    ----------
    field : OptionField
        The field; not a group.
    place : str
        The object name of the input.
    label : str
        Its name for the user.
    """
    tip = tooltip_of(field.sentence)
    made = _made(field, place, label, tip)
    native: QWidget = named(made.native, place)
    native.setAccessibleName(f"{label} ({field.unit})" if field.unit else label)
    native.setAccessibleDescription(field.sentence)
    if isinstance(native, NumbersEdit | PathEdit):
        native.name_parts(place, label, tip)
    return made


def tooltip_of(sentence: str) -> str:
    """Return a tooltip whose lines wrap."""
    return f"<p>{html.escape(sentence)}</p>" if sentence else ""


def _made(field: OptionField, place: str, label: str, tip: str) -> ValueWidget[Any]:
    """Return the widget that fits the kind of a field."""
    name = place.replace(".", "_")
    if field.kind == "flag":
        return CheckBox(name=name, label=label, tooltip=tip)
    if field.choices and field.kind in ("choice", "text"):
        # A null value of magicgui's has a text of its own; ours is one of the choices.
        empty = ((field.none, None),) if field.optional else ()
        box = ComboBox(choices=(*empty, *field.choices), name=name, label=label, tooltip=tip)
        _prepare(box.native)
        return box
    if field.kind == "text" and not field.optional:
        return LineEdit(name=name, label=label, tooltip=tip)
    return Control(_maker(field), name, label, tip)


def _maker(field: OptionField) -> Callable[..., QWidget]:
    """Return what makes the input of a field."""
    none = field.none if field.optional else None

    def make(parent: QWidget | None) -> QWidget:
        whole = field.type is int
        if field.kind in ("whole", "decimal"):
            return NumberEdit(whole, field.least, field.most, field.step, field.unit, none, parent, field.words)
        if field.kind == "numbers":
            return NumbersEdit(
                field.count, whole, field.least, field.most, field.step, field.unit, none=none, parent=parent
            )
        if field.kind == "path":
            return PathEdit(field.path, field.none if field.optional else _NEEDED, parent)
        if field.kind == "entries":
            return EntriesEdit(parent)
        if field.choices:
            return ChoicesEdit(field.choices, parent)
        return TextEdit(field.none, parent) if field.kind == "text" else ListEdit(field.type, none, parent)

    return make


def _prepare(box: QComboBox) -> None:
    """Let a combo box be narrower than its longest choice, and leave it alone while the page scrolls."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.installEventFilter(_WheelGuard(box))
