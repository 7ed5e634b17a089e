"""How a run has divided its slides, which it keeps whatever becomes of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diatom_training.data.annotated_slides import PARTS, Part, Slide, key_of
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, many
from napari_diatom.core.text_files import read_json


@dataclass(frozen=True)
class SplitImage:
    """An image of a part.

    Attributes
    ----------
    key : str
        See :attr:`diatom_training.data.annotated_slides.Slide.key`.
    name : str
        As annotations call it.
    fingerprint : str
        Of its specimens, as :func:`annotation_hash` has it.
    specimens : int
        How many it had.
    """

    key: str
    name: str
    fingerprint: str
    specimens: int


@dataclass(frozen=True)
class DataSplit:
    """Classes and parts of a run.

    Attributes
    ----------
    classes : tuple of str
        What it learns.
    parts : mapping of str to tuple of SplitImage
        The images of ``train``, ``validation`` and ``test``.
    """

    classes: tuple[str, ...]
    parts: Mapping[Part, tuple[SplitImage, ...]]

    @classmethod
    def read(cls, path: Path) -> DataSplit | None:
        """Return what a file holds, None where it is not there.

        Raises
        ------
        InputError
            When it is damaged.
        """
        if not path.exists():
            return None
        data = read_json(path, "the split of a training")
        try:
            parts: dict[Part, tuple[SplitImage, ...]] = {
                part: tuple(
                    SplitImage(
                        key_of(str(image["sha256"]), int(image["page"])),
                        str(image["image"]),
                        str(image["annotations"]),
                        int(image["specimens"]),
                    )
                    for image in data["parts"][part]
                )
                for part in PARTS
            }
            return cls(tuple(map(str, data["classes"])), parts)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"{path} is not the split of a training: {error!r}.") from error

    def of(self, slides: Sequence[Slide]) -> dict[Part, tuple[Slide, ...]]:
        """Return the slides of each part, in the order that they had; those that are in none are left out.

        What is drawn by chance is drawn by a slide's place: in another order it would be another slide.
        """
        there = {(slide.key, slide.name) for slide in slides}
        found: dict[Part, tuple[Slide, ...]] = {}
        for part, members in self.parts.items():
            places = {(member.key, member.name): place for place, member in enumerate(members)}
            renamed = {key: place for (key, name), place in places.items() if (key, name) not in there}
            chosen = [(places.get((slide.key, slide.name), renamed.get(slide.key)), slide) for slide in slides]
            placed = [(place, slide) for place, slide in chosen if place is not None]
            found[part] = tuple(slide for _, slide in sorted(placed, key=lambda one: one[0]))
        return found

    def changes(self, parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
        """Say what is no longer as it was when the run began."""
        then = {member.key: member for members in self.parts.values() for member in members}
        now = {slide.key: slide for slides in parts.values() for slide in slides}
        gone = [member.name for key, member in then.items() if key not in now]
        other = [slide.name for key, slide in now.items() if annotation_hash(slide) != then[key].fingerprint]
        lines = []
        if gone:
            lines.append(
                f"{many(len(gone), 'image')} "
                f"{either(len(gone), 'is gone, or has changed', 'are gone, or have changed')} since the training "
                f"started, such as {gone[0]}"
            )
        if other:
            lines.append(
                f"{many(len(other), 'image')} {either(len(other), 'has', 'have')} different specimens since the "
                f"training started, such as {other[0]}: the training continues with the current ones"
            )
        return lines


def annotation_hash(slide: Slide) -> str:
    """Return a short hash of the boxes, outlines and classes of a slide's specimens."""
    truth = slide.truth
    found = hashlib.sha256(truth.boxes.tobytes())
    found.update("\n".join(truth.classes[k] for k in truth.class_ids.tolist()).encode())
    for outline in slide.outlines:
        found.update(outline.tobytes())
    return found.hexdigest()[:16]


def to_mapping(classes: Sequence[str], parts: Mapping[Part, Sequence[Slide]]) -> dict[str, Any]:
    """Return classes and parts, with the hashes of files and specimens, for :func:`json.dumps`."""
    return {
        "classes": list(classes),
        "parts": {
            part: [
                {
                    "image": slide.name,
                    "path": str(slide.path),
                    "page": slide.page,
                    "sha256": slide.sha256,
                    "slide": slide.group,
                    "specimens": len(slide.truth),
                    "annotations": annotation_hash(slide),
                }
                for slide in parts[part]
            ]
            for part in PARTS
        },
    }
