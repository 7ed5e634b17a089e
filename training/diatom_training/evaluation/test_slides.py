"""The annotated slides of a test: of a project or of annotations, and what a model has seen of them before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diatom_training.data.annotated_slides import Slide, read_slides
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.models.library import ModelFolder


@dataclass(frozen=True, eq=False)
class TestSet:
    """A test set for a model.

    Attributes
    ----------
    slides : tuple of Slide
        The images with their truth.
    text : str
        Which they are.
    warnings : tuple of str
        A line each; they stand in the report too.
    one_class : str
        The one class for all specimens; empty for their own classes.
    """

    slides: tuple[Slide, ...]
    text: str
    warnings: tuple[str, ...] = ()
    one_class: str = ""


def of_annotations(
    data: Path, images: Path | None, group: str, part: str | None, one_class: str, monitor: ProgressMonitor
) -> TestSet:
    """Return a part of a project or of annotations as a test set. Raises InputError as :func:`read_slides`."""
    there = read_slides(data, images, group, monitor=monitor)
    chosen = part or ("test" if "test" in there.parts else "all")
    if chosen == "all":
        why = "" if part or there.parts else " (there is no split)"
        return TestSet(there.slides, f"all annotated images of {data.name}{why}", there.warnings, one_class)
    if chosen not in there.parts:
        parts = f"its split has {', '.join(there.parts)}" if there.parts else "it has no split"
        raise InputError(f"{data} has no part {chosen}: {parts}. Use --part all, or split the project first.")
    slides = tuple(slide for slide in there.slides if slide.part == chosen)
    return TestSet(slides, f"the {chosen} part of {data.name}", there.warnings, one_class)


def usable(found: TestSet) -> TestSet:
    """Return a test set with a warning where its images may be of one slide.

    Raises
    ------
    InputError
        When it has no specimen.
    """
    if len(found.slides) > 1 and all(slide.group in (slide.name, Path(slide.name).stem) for slide in found.slides):
        alone = (
            "each image is treated as a slide of its own; if several images show the same slide, the intervals are too "
            "narrow: give the pattern of the slide in their names (--group), or name the slides in the project"
        )
        found = replace(found, warnings=(*found.warnings, alone))
    if not any(len(slide.truth) for slide in found.slides):
        raise InputError(
            f"There is no annotated specimen in {found.text} ({many(len(found.slides), 'image')}), so there is "
            f"nothing to "
            "test on: outline the diatoms in some of its images first, or choose another part (--part)."
        )
    return found


def leaks(model: ModelFolder, slides: Sequence[Slide]) -> list[str]:
    """Return warnings about images that a model, or what it started from, was trained on."""
    listed, lines = model.card.training.get("images_seen") or {}, []
    for parts, use in ((("train", "before"), "been trained on"), (("validation",), "been tuned on")):
        known = {key for part in parts for key in listed.get(part, ())}
        those = [slide.name for slide in slides if slide.key in known]
        if those:
            lines.append(
                f"{model.card.name} has {use} {len(those)} of these {many(len(slides), 'image')}, such as {those[0]}: "
                "expect worse results on new slides."
            )
    return lines
