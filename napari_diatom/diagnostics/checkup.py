"""One look at the installation and the machine, as text to read or to paste into a bug report."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_diatom import __version__
from napari_diatom.analysis import worker_process
from napari_diatom.core.errors import ModelError
from napari_diatom.core.processor import processor_name, usable_threads
from napari_diatom.core.text import many, printable
from napari_diatom.diagnostics import machine, packages
from napari_diatom.diagnostics.problem import Problem
from napari_diatom.models import library


@dataclass(frozen=True)
class Checkup:
    """What was found.

    Attributes
    ----------
    sections : dict of str to tuple of (str, str)
        Names and values by the title of their section.
    problems : tuple of Problem
        What is known to go wrong here.
    """

    sections: dict[str, tuple[tuple[str, str], ...]]
    problems: tuple[Problem, ...]

    def text(self) -> str:
        """Return all of it in lines, the problems last."""
        lines: list[str] = []
        for title, rows in self.sections.items():
            width = max((len(name) for name, _ in rows), default=0)
            lines += [title, *(f"  {name:{width}}  {value}".rstrip() for name, value in rows), ""]
        if not self.problems:
            return "\n".join([*lines, "No problems found."])
        lines.append(f"{many(len(self.problems), 'problem')} found")
        for number, problem in enumerate(self.problems, start=1):
            lines += [f"  {number}. {problem.what}", f"     Remedy: {problem.remedy}"]
        return "\n".join(lines)


def examine() -> Checkup:
    """Look at what is installed, what the machine has, and what is known to go wrong; takes some seconds.

    Devices and OpenGL are asked for in processes of their own, and nothing heavy is imported in this one.
    """
    found = packages.installed()
    models, model_problems = _models()
    folders = machine.folders()
    renderer = machine.renderer() if packages.bindings(found) else None
    known = {
        "napari-diatom": (
            ("version", __version__),
            ("folder", _short(Path(__file__).parents[1])),
            ("Python", f"{platform.python_version()} ({_short(Path(sys.executable))})"),
            ("system", platform.platform()),
        ),
        "Packages": tuple(packages.installed_versions(found)),
        "Machine": (
            ("processor", processor_name()),
            ("threads", str(usable_threads())),
            ("devices", ", ".join(name for name in worker_process.devices() if name != "auto")),
            ("OpenGL", "not known: there is no screen" if renderer is None else renderer or "none"),
        ),
        "Models": models,
        "Folders": tuple(
            (folder.title, f"{_short(folder.path)} ({folder.fault or f'{folder.free_gb:,.1f} GB free'})")
            for folder in folders
        ),
    }
    problems = (
        *packages.problems(found),
        *model_problems,
        *machine.folder_problems(folders),
        *machine.renderer_problems(renderer),
    )
    shown = {title: tuple((name, printable(value)) for name, value in rows) for title, rows in known.items()}
    return Checkup(shown, tuple(problems))


def _models() -> tuple[tuple[tuple[str, str], ...], list[Problem]]:
    """Return the models with what they are, and what is wrong with those that cannot be used."""
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


def _damaged(error: ModelError) -> Problem:
    return Problem(
        str(error),
        "Remove the model's folder and import the model again. If it is a bundled one: "
        f"{packages.pip('install --force-reinstall --no-deps napari-diatom')}",
    )


def _short(path: Path) -> str:
    """Return a path with ``~`` for the home folder, which names the user."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
