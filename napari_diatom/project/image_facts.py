"""What a project says of its images besides their files: slide, sample and pixel size."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM
from napari_diatom.project.settings import ProjectImage, Settings
from napari_diatom.project.settings_file import SettingsFile

LONGEST_NAME: Final = 200
"""Letters of the name of a slide or sample."""


class ImageFacts:
    """Changes slide, sample and pixel size of images, in the settings as they are on disk.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings.
    """

    def __init__(self, settings: SettingsFile) -> None:
        self._settings = settings

    def set(self, ids: Iterable[str], slide: str | None = None, sample: str | None = None) -> None:
        """Set slide and sample of images; None leaves it. Raises as :func:`with_slide`, and OutputError."""
        chosen = list(ids)

        def change(settings: Settings) -> Settings:
            settings = settings if slide is None else with_slide(settings, chosen, slide)
            return settings if sample is None else with_sample(settings, chosen, sample)

        self._settings.change(change)

    def set_pixel_size(self, ids: Iterable[str], size_um: float | None) -> None:
        """Set the pixel size of the slides of images. Raises as :func:`with_pixel_size`, and OutputError."""
        chosen = list(ids)
        self._settings.change(lambda settings: with_pixel_size(settings, chosen, size_um))


def with_slide(settings: Settings, ids: Iterable[str], slide: str) -> Settings:
    """Return settings in which images are of another slide.

    The pixel size is kept by slide: a slide that had none gets that of the images, if all of theirs is the same. A part
    of the split has a slide under its new name if all its images got that name.

    Raises
    ------
    InputError
        When there is no such image, the name is impossible, or the slide has another pixel size than the images.
    """
    chosen = _images(settings, ids)
    slide = _name(slide, "slide")
    sizes = {settings.pixel_sizes_um.get(item.slide) for item in chosen}
    known = {item.slide for item in settings.images} - {item.slide for item in chosen}
    there = settings.pixel_sizes_um.get(slide) if slide in known else None
    if there is not None and sizes - {None, there}:
        raise InputError(
            f"The slide {slide} has {there:g} µm per pixel, and some of the images another size: correct that first."
        )
    changed = {item.id for item in chosen}
    new = settings.replace(
        images=tuple(item.replace(slide=slide) if item.id in changed else item for item in settings.images)
    )
    left = {item.slide for item in new.images}
    pixel_sizes = {name: size for name, size in new.pixel_sizes_um.items() if name in left}
    if slide not in pixel_sizes and len(sizes) == 1 and (size := next(iter(sizes))) is not None:
        pixel_sizes[slide] = size
    new = new.replace(pixel_sizes_um=pixel_sizes)
    gone = {item.slide for item in chosen} - left
    return _with_group_renamed(new, "slide", gone, slide)


def with_sample(settings: Settings, ids: Iterable[str], sample: str) -> Settings:
    """Return settings in which images are of another sample; raises InputError as :func:`with_slide`."""
    chosen = _images(settings, ids)
    sample = _name(sample, "sample")
    changed = {item.id for item in chosen}
    new = settings.replace(
        images=tuple(item.replace(sample=sample) if item.id in changed else item for item in settings.images)
    )
    gone = {item.sample for item in chosen} - {item.sample for item in new.images}
    return _with_group_renamed(new, "sample", gone, sample)


def with_pixel_size(settings: Settings, ids: Iterable[str], size_um: float | None) -> Settings:
    """Return settings with a pixel size for the slides of images.

    Parameters
    ----------
    settings : Settings
        Those of the moment.
    ids : iterable of str
        Images. All other images of their slides get the same size; see :func:`images_of_slides`.
    size_um : float or None
        Micrometres per pixel, None for unknown.

    Raises
    ------
    InputError
        When there is no such image, or no light microscope has the size.
    """
    slides = {item.slide for item in _images(settings, ids)}
    sizes = {slide: size for slide, size in settings.pixel_sizes_um.items() if slide not in slides}
    if size_um is not None:
        if not SMALLEST_UM <= size_um <= LARGEST_UM:
            raise InputError(
                f"{size_um:g} µm is not a pixel size of a light microscope: give {SMALLEST_UM:g} to {LARGEST_UM:g} µm."
            )
        sizes |= dict.fromkeys(sorted(slides), size_um)
    return settings.replace(pixel_sizes_um=sizes)


def images_of_slides(settings: Settings, ids: Collection[str]) -> tuple[ProjectImage, ...]:
    """Return all images of the slides that some images are of; raises InputError where one is not there."""
    slides = {item.slide for item in _images(settings, ids)}
    return tuple(item for item in settings.images if item.slide in slides)


def _images(settings: Settings, ids: Iterable[str]) -> list[ProjectImage]:
    """Return images by their ids; at least one."""
    found = [settings.image(id_) for id_ in dict.fromkeys(ids)]
    if not found:
        raise InputError("Choose at least one image.")
    return found


def _name(text: str, what: str) -> str:
    """Return the name of a slide or sample without blanks around it; an empty one means none."""
    name = text.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"The name of a {what} has at most {LONGEST_NAME} letters, and no line breaks.")
    return name


def _with_group_renamed(settings: Settings, by: str, gone: set[str], now: str) -> Settings:
    """Return settings in whose split a slide or sample that no image has any more is called as its images are now."""
    split = settings.split
    if split is None or split.by != by or not now:
        return settings
    listed = [group for groups in split.parts.values() for group in groups]
    if now in listed:
        parts = {name: tuple(g for g in groups if g not in gone) for name, groups in split.parts.items()}
        return settings.replace(split=split.replace(parts=parts))
    # Slides of two parts that become one are in neither: which is right is for a person to say.
    owners = [name for name, groups in split.parts.items() if gone & set(groups)]
    parts = {
        name: tuple(
            dict.fromkeys(
                now if group in gone and len(owners) == 1 else group
                for group in groups
                if group not in gone or len(owners) == 1
            )
        )
        for name, groups in split.parts.items()
    }
    return settings.replace(split=split.replace(parts=parts))
