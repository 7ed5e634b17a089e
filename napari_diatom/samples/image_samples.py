"""Which sample an image belongs to: by its folder, by a pattern of its name, or by a table of samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few, quoted
from napari_diatom.project.settings import ProjectImage
from napari_diatom.samples.sample_facts import SampleFacts

_SHOWN: Final = 10
"""Names that a message lists."""


def sample_of(image: ProjectImage) -> str:
    """Return the sample of an image of a project; those without one are of one sample."""
    return image.sample or "sample"


def samples_by_folder(images: Iterable[str]) -> dict[str, str]:
    """Return the sample of each image: the name of its folder.

    Parameters
    ----------
    images : iterable of str
        Names with ``/``, as in ``specimens.csv``.
    """
    return {image: PurePosixPath(image).parent.name or "sample" for image in images}


def samples_by_pattern(images: Iterable[str], pattern: str) -> dict[str, str]:
    """Return the sample of each image: the part of its file's name that stands for ``{sample}`` in a pattern.

    Parameters
    ----------
    images : iterable of str
        Names with ``/``; the pattern is of the last part.
    pattern : str
        Such as ``{sample}_*``: ``*`` is anything, ``?`` any letter. The sample is as short as possible.

    Raises
    ------
    InputError
        When the pattern has no ``{sample}``, or does not fit some images (they are named).
    """
    before, mark, after = pattern.partition("{sample}")
    if not mark or "{" in before + after or "}" in before + after:
        raise InputError(
            f"{quoted(pattern)} is not a pattern for samples: it needs {{sample}} once, such as {{sample}}_*."
        )
    expression = re.compile(f"{_expression(before)}(?P<sample>.+?){_expression(after)}")
    found = {image: expression.fullmatch(PurePosixPath(image).name) for image in images}
    unlike = [image for image, match in found.items() if match is None]
    if unlike:
        raise InputError(f"The pattern {quoted(pattern)} does not fit {first_few(unlike, _SHOWN)}.")
    return {image: match["sample"] for image, match in found.items() if match}


def samples_by_table(images: Mapping[str, str], facts: Iterable[SampleFacts]) -> dict[str, str]:
    """Return the sample of each image as a table of samples says it.

    Parameters
    ----------
    images : mapping of str to str
        The samples of images by folder or pattern, which those that the table does not name keep.
    facts : iterable of SampleFacts
        Samples with names or patterns of their images. These are compared with the whole name, its last part, and that
        without its ending.

    Raises
    ------
    InputError
        With every image in two samples, and every pattern that no image has.
    """
    owners: dict[str, list[str]] = {}
    problems: list[str] = []
    spellings = {image: _spellings(image) for image in images}
    for sample in facts:
        for pattern in sample.images:
            fitting = [image for image, names in spellings.items() if any(fnmatchcase(n, pattern) for n in names)]
            if not fitting:
                problems.append(f"{sample.code} names {quoted(pattern)}, which no image is called")
            for image in fitting:
                if sample.code not in owners.setdefault(image, []):
                    owners[image].append(sample.code)
    problems += [f"{image} is in {' and '.join(codes)}" for image, codes in owners.items() if len(codes) > 1]
    if problems:
        raise InputError(f"The samples do not fit the images: {first_few(problems, _SHOWN, '; ')}.")
    return {image: owners.get(image, [sample])[0] for image, sample in images.items()}


def _expression(glob: str) -> str:
    """Return a part of a pattern as a regular expression."""
    marks = {"*": ".*", "?": "."}
    return "".join(marks.get(letter, re.escape(letter)) for letter in glob)


def _spellings(image: str) -> tuple[str, ...]:
    path = PurePosixPath(image)
    return tuple(dict.fromkeys((image, path.name, path.stem)))
