"""From a frozen options class to a form and back: one definition for the window, YAML files and the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from magicgui.widgets import CheckBox
from magicgui.widgets.bases import ValueWidget
from psygnal import Signal
from pydantic import BaseModel, ValidationError
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.core.validation_messages import placed_faults
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.forms.controls import control_of, tooltip_of
from napari_diatom.widgets.forms.folded_section import FoldedSection
from napari_diatom.widgets.forms.option_fields import REQUIRED, Kind, OptionField, fields_of
from napari_diatom.widgets.forms.option_values import built, plain_entry

Options = TypeVar("Options")

MORE: Final = "More options"
"""Title of the folded section."""
_WHOLE: Final = ""
"""Where problems are that belong to no single field."""


class OptionsForm(Generic[Options]):
    """Edits the fields of an options class. Made by :func:`options_form`.

    Parameters
    ----------
    kind : type
        The options class: a frozen pydantic model or dataclass.
    value : object, optional
        Options to show, and to keep in fields that the form does not show.
    shown : _Shown
        Which fields the form shows, and how.

    Attributes
    ----------
    native : QWidget
        The form, to be put into a layout.
    changed : psygnal.Signal
        A value has changed.
    """

    changed = Signal()

    def __init__(self, kind: type[Options], value: Options | None, shown: _Shown) -> None:
        self._kind, self._base, self._shown = kind, value, shown
        self._controls: dict[str, ValueWidget[Any]] = {}
        self._labels: dict[str, str] = {}
        self._switches: dict[str, CheckBox] = {}
        self._boxes: dict[str, QWidget] = {}
        self._rows: dict[str, QFormLayout] = {}
        self._hidden: set[str] = set()
        self._disabled: set[str] = set()
        self._quiet = False
        self.native = QWidget()
        self._build(kind, "", self.native)
        self._tell(kind, value, "")

    def value(self, base: Options | None = None) -> Options:
        """Return the options; fields that are not shown have the values of ``base``, or of the options that were given.

        Raises
        ------
        InputError
            With every problem, each with the label of its field.
        """
        made, problems = self._made(base)
        if made is None:
            lines = [f"{self._labels.get(place, place)}: {text}" if place else text for place, text in problems.items()]
            raise InputError("; ".join(line.rstrip(".") for line in lines) + ".")
        return made

    def errors(self) -> dict[str, str]:
        """Return what is wrong, by dotted names of fields; what belongs to no single field is under ``""``."""
        return self._made()[1]

    def entries(self, disabled: bool = False) -> dict[str, Any]:
        """Return the shown fields as plain entries of YAML.

        Parameters
        ----------
        disabled : bool
            Also those that are disabled: whoever decides which of them are needs what they would say.

        Raises
        ------
        InputError
            When a text cannot be read as what its field needs.
        """
        values, problems = self._read(self._kind, "", disabled)
        if problems:
            place, text = next(iter(problems.items()))
            raise InputError(f"{self._labels[place]}: {text}.")
        return {name: plain_entry(value) for name, value in values.items()}

    def set_value(self, options: Options) -> None:
        """Show options, and keep those of their fields that the form does not show."""
        self._base = options
        self._tell(self._kind, options, "")
        self.changed.emit()

    def set_part(self, name: str, value: Any) -> None:
        """Show the value of one field, or the options of one group, by its dotted name."""
        field = self.field(name)
        outermost, self._quiet = not self._quiet, True
        self._tell_field(field, name, value)
        self._quiet = not outermost
        self._on_changed()

    def insert(self, before: str, label: str, widget: QWidget) -> None:
        """Put another widget into the row above the one of a field, by its dotted name."""
        rows = self._rows[before]
        row, _ = rows.getWidgetPosition(self._controls[before].native)
        rows.insertRow(row, label, widget)

    def append(self, group: str, widget: QWidget) -> None:
        """Put another widget below the fields of a group that may be None, by its dotted name."""
        layout = self._boxes[group].layout()
        assert layout is not None
        layout.addWidget(widget)

    def control(self, name: str) -> ValueWidget[Any]:
        """Return the magicgui widget of a field by its dotted name; of a group that may be None, its check box."""
        return self._switches[name] if name in self._switches else self._controls[name]

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide a field or group by its dotted name; a hidden one is no part of the value and the entries."""
        (self._hidden.discard if visible else self._hidden.add)(name)
        if name in self._controls:
            self._rows[name].setRowVisible(self._controls[name].native, visible)
        if name in self._switches:
            self._switches[name].visible = visible
            visible = visible and bool(self._switches[name].value)
        if name in self._boxes:
            self._boxes[name].setVisible(visible)

    def set_reason(self, name: str, reason: str) -> None:
        """Disable a single field by its dotted name, with the reason in its tooltip; without one, enable it again.

        A disabled one is no part of the value and the entries.
        """
        (self._disabled.add if reason else self._disabled.discard)(name)
        control, sentence = self._controls[name], self.field(name).sentence
        text = f"{reason} {sentence}" if reason else sentence
        control.enabled = not reason
        control.tooltip = tooltip_of(text)
        control.native.setAccessibleDescription(text)
        label = self._rows[name].labelForField(control.native)
        if label is not None:
            label.setEnabled(not reason)
            label.setToolTip(control.tooltip or "")

    def _build(self, kind: type, prefix: str, into: QWidget) -> None:
        """Add the fields of a class: single fields, groups, and what is advanced in a folded section."""
        layout = _column(into)
        usual, advanced = _Section(), _Section()
        for field in self._fields(kind, prefix):
            place, label = prefix + field.name, self._shown.label(prefix + field.name, field)
            self._labels[place] = label
            section = advanced if place in self._shown.advanced else usual
            if field.kind == "group":
                section.groups += self._group(field, place, label)
            else:
                self._add(field, place, label, section.rows)
        for part in usual.parts():
            layout.addWidget(part)
        if advanced.parts():
            layout.addWidget(FoldedSection(MORE, self._shown.object_name(f"{prefix}more_options"), *advanced.parts()))

    def _add(self, field: OptionField, place: str, label: str, rows: QFormLayout) -> None:
        """Add one field to rows."""
        control = control_of(self._shown.with_choices(place, field), self._shown.object_name(place), label)
        control.changed.connect(self._on_changed)
        self._controls[place], self._rows[place] = control, rows
        if field.kind == "flag":
            rows.addRow(control.native)
            return
        rows.addRow(label, control.native)
        text = rows.labelForField(control.native)
        assert text is not None
        text.setToolTip(control.tooltip or "")

    def _group(self, field: OptionField, place: str, label: str) -> list[QWidget]:
        """Return a group of fields: folded, or behind a check box where it may be None."""
        inner = QWidget()
        self._build(field.type, f"{place}.", inner)
        if not field.optional:
            self._boxes[place] = FoldedSection(label, self._shown.object_name(place), inner)
            self._boxes[place].setToolTip(tooltip_of(field.sentence))
            return [self._boxes[place]]
        self._boxes[place] = named(inner, self._shown.object_name(f"{place}.fields"))
        switch = CheckBox(label=label, name=place.replace(".", "_"), tooltip=tooltip_of(field.sentence))
        named(switch.native, self._shown.object_name(place)).setAccessibleName(label)
        inner.hide()
        switch.changed.connect(lambda on: inner.setVisible(on))
        switch.changed.connect(self._on_changed)
        self._switches[place] = switch
        return [switch.native, inner]

    def _fields(self, kind: type, prefix: str) -> Iterator[OptionField]:
        """Yield the fields of a class that the form shows."""
        for field in fields_of(kind):
            if self._shown.has(prefix + field.name):
                yield field

    def field(self, name: str) -> OptionField:
        """Return the field of a dotted name."""
        kind: Any = self._kind
        for part in name.split("."):
            field = next(field for field in fields_of(kind) if field.name == part)
            kind = field.type
        return field

    def _tell(self, kind: type, options: Any, prefix: str) -> None:
        """Show options in the controls; without them, the defaults."""
        outermost, self._quiet = not self._quiet, True
        for field in self._fields(kind, prefix):
            value = field.default if options is None else getattr(options, field.name)
            self._tell_field(field, prefix + field.name, value)
        self._quiet = not outermost

    def _tell_field(self, field: OptionField, place: str, value: Any) -> None:
        """Show the value of one field."""
        given = value is not None and value is not REQUIRED
        if field.kind == "group":
            if place in self._switches:
                self._switches[place].value = given
            self._tell(field.type, value if given else None, f"{place}.")
        elif value is not REQUIRED:
            self._controls[place].value = value

    def _read(self, kind: type, prefix: str, disabled: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what the controls have, and what cannot be read, by dotted names."""
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for field in self._fields(kind, prefix):
            place = prefix + field.name
            if place in self._hidden or (place in self._disabled and not disabled):
                continue
            if field.kind == "group":
                if place in self._switches and not self._switches[place].value:
                    values[field.name] = None
                    continue
                values[field.name], inner = self._read(field.type, f"{place}.", disabled)
                problems |= inner
                continue
            try:
                values[field.name] = self._controls[place].value
            except InputError as error:
                problems[place] = str(error)
        return values, problems

    def _made(self, base: Options | None = None) -> tuple[Options | None, dict[str, str]]:
        """Return the options, or None and what is wrong, by dotted names."""
        values, problems = self._read(self._kind, "")
        if problems:
            return None, problems
        try:
            return built(self._kind, values, self._base if base is None else base), {}
        except ValidationError as error:
            for place, text in placed_faults(error, cast("type[BaseModel]", self._kind)):
                problems.setdefault(self._known(place), text)
        except InputError as error:
            problems[_WHOLE] = str(error)
        return None, problems

    def _known(self, place: Sequence[str | int]) -> str:
        """Return the dotted name of the field that a problem is in."""
        names = [str(part) for part in place]
        while names and ".".join(names) not in self._labels:
            names.pop()
        return ".".join(names)

    def _on_changed(self) -> None:
        if not self._quiet:
            self.changed.emit()


class _Section:
    """Rows of single fields, and groups of fields below them."""

    def __init__(self) -> None:
        self._single = QWidget()
        self.rows = QFormLayout(self._single)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.groups: list[QWidget] = []

    def parts(self) -> list[QWidget]:
        """Return what there is to show."""
        return [*([self._single] if self.rows.rowCount() else []), *self.groups]


@dataclasses.dataclass(frozen=True)
class _Shown:
    """Which fields a form shows, and how; names are dotted."""

    include: Collection[str] | None
    exclude: Collection[str]
    labels: Mapping[str, str]
    advanced: Collection[str]
    choices: Mapping[str, Sequence[tuple[str, Any]]]
    prefix: str

    def object_name(self, place: str) -> str:
        """Return the object name of a field's input."""
        return self.prefix + place

    def has(self, place: str) -> bool:
        """Return whether a field is shown: it or its group is included, and not excluded."""
        around = {place} | {place[:end] for end, letter in enumerate(place) if letter == "."}
        wanted = self.include is None or any(name in around or name.startswith(f"{place}.") for name in self.include)
        return wanted and not around & set(self.exclude)

    def label(self, place: str, field: OptionField) -> str:
        """Return the label of a field."""
        return self.labels.get(place, field.label)

    def with_choices(self, place: str, field: OptionField) -> OptionField:
        """Return a field with the choices that the form offers of it."""
        if place not in self.choices:
            return field
        kind: Kind = "choices" if field.kind == "list" else "choice"
        return dataclasses.replace(field, kind=kind, choices=tuple(self.choices[place]))


def options_form(
    kind: type[Options],
    value: Options | None = None,
    include: Collection[str] | None = None,
    exclude: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    advanced: Collection[str] = (),
    choices: Mapping[str, Sequence[tuple[str, Any]]] | None = None,
    prefix: str = "",
) -> OptionsForm[Options]:
    """Return a form of an options class.

    Parameters
    ----------
    kind : type
        A frozen pydantic model or dataclass; see :mod:`napari_diatom.widgets.forms.option_fields` for its fields.
    value : object, optional
        Options to show, the defaults by default.
    include : collection of str, optional
        Dotted names of the fields and groups to show, by default all.
    exclude : collection of str
        Dotted names of fields and groups that are not shown.
    labels : mapping of str to str, optional
        Labels by dotted names, in place of those that the class gives.
    advanced : collection of str
        Dotted names of what goes into a folded section at the end of its group, or of the form.
    choices : mapping of str to sequence of (str, object), optional
        Texts and values to choose from by dotted names, for fields whose type does not give them.
    prefix : str
        What the object names of the inputs start with, in a dock that has inputs of the same names already.

    Raises
    ------
    TypeError
        When the class has a field of a type that no form knows.
    """
    return OptionsForm(kind, value, _Shown(include, exclude, labels or {}, advanced, choices or {}, prefix))


def _column(widget: QWidget) -> QVBoxLayout:
    """Return a layout of parts below each other."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    return layout
