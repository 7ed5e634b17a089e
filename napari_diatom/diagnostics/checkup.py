"""A check of the installation and the machine, as text to read or to paste into a bug report."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_diatom import __version__
from napari_diatom.analysis import worker_process
from napari_diatom.core.errors import ModelError
from napari_diatom.core.processor import processor_name, usable_threads
from napari_diatom.core.text import many, printable
from napari_diatom.diagnostics import machine, packages
from napari_diatom.diagnostics.advice import Advice
from napari_diatom.models import library


@dataclass(frozen=True)
class Checkup:
    """The result of a check.

    Attributes
    ----------
    sections : dict of str to tuple of (str, str)
        Names and values by the title of their section.
    advice : tuple of Advice
        Problems and notes, each with its remedy.
    """

    sections: dict[str, tuple[tuple[str, str], ...]]
    advice: tuple[Advice, ...]

    @property
    def problems(self) -> tuple[Advice, ...]:
        """What keeps something from working."""
        return tuple(piece for piece in self.advice if piece.level == "problem")

    @property
    def notes(self) -> tuple[Advice, ...]:
        """What to expect where everything works."""
        return tuple(piece for piece in self.advice if piece.level == "note")

    def verdict(self) -> str:
        """Return how many problems and notes there are, as a sentence."""
        counts = [f"{many(len(self.problems), 'problem')} found" if self.problems else "No problems found"]
        if self.notes:
            counts.append(many(len(self.notes), "note"))
        return ", ".join(counts) + "."

    def text(self) -> str:
        """Return all of it in lines, first the notes, then the problems, and last the verdict."""
        lines: list[str] = []
        for title, rows in self.sections.items():
            width = max((len(name) for name, _ in rows), default=0)
            lines += [title, *(f"  {name:{width}}  {value}".rstrip() for name, value in rows), ""]
        for title, advice in (("Notes", self.notes), ("Problems", self.problems)):
            if advice:
                lines += [title, *_numbered(advice), ""]
        return "\n".join([*lines, self.verdict()])


def examine() -> Checkup:
    """Check packages, machine, models and folders. This takes some seconds.

    Separate processes find devices and OpenGL, and this process imports nothing heavy.
    """
    found = packages.installed()
    models, model_problems = _models()
    folders = machine.folders()
    has_qt = bool(packages.bindings(found))
    renderer = machine.renderer() if has_qt else None
    known = {
        "napari-diatom": (
            ("version", __version__),
            ("folder", _short(Path(__file__).parents[1])),
            ("Python", f"{platform.python_version()} ({_short(Path(sys.executable))})"),
            ("system", platform.platform()),
        ),
        "Packages": tuple(packages.package_rows(found)),
        "Machine": (
            ("processor", processor_name()),
            ("threads", str(usable_threads())),
            ("devices", ", ".join(name for name in worker_process.devices() if name != "auto")),
            ("OpenGL", machine.renderer_text(renderer)),
        ),
        "Models": models,
        "Folders": tuple(
            (folder.title, f"{_short(folder.path)} ({folder.fault or f'{folder.free_gb:,.1f} GB free'})")
            for folder in folders
        ),
    }
    advice = (
        *packages.problems(found),
        *model_problems,
        *machine.folder_problems(folders),
        *(machine.renderer_advice(renderer) if has_qt else ()),
    )
    shown = {title: tuple((name, printable(value)) for name, value in rows) for title, rows in known.items()}
    return Checkup(shown, advice)


def _models() -> tuple[tuple[tuple[str, str], ...], list[Advice]]:
    """Return a row for each model, and a problem for each model that cannot be used."""
    models, damaged = library.list_models()
    rows = []
    for model in models:
        home = "bundled" if model.folder.parent == library.BUNDLED else _short(model.folder)
        try:
            model.verify()
        except ModelError as error:
            damaged.append(error)
            home += ", damaged"
        rows.append((model.card.name, f"{model.card.version}, {model.card.task}, {home}"))
    return tuple(rows), list(map(_damaged, damaged))


def _damaged(error: ModelError) -> Advice:
    return Advice(
        str(error),
        "Remove the model's folder and import the model again. If it is a bundled model: "
        f"{packages.pip('install --force-reinstall --no-deps napari-diatom')}",
    )


def _numbered(advice: tuple[Advice, ...]) -> Iterator[str]:
    """Yield the lines of advice, each with its remedy."""
    for number, piece in enumerate(advice, start=1):
        yield f"  {number}. {piece.what}"
        yield f"     Remedy: {piece.remedy}"


def _short(path: Path) -> str:
    """Return a path with ``~`` for the home folder, which names the user."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
