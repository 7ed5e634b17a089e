"""Slides and their annotations: opened, read, written and measured."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.counting import table_columns
from napari_diatom.formats import conversion
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import FORMATS, Format, by_name
from napari_diatom.images import scale_bar, slide_image
from napari_diatom.images.planes import BEST, checked_z
from napari_diatom.images.scale_bar import ScaleBar
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement import measurements, striae
from napari_diatom.measurement.striae import StriaeProfile

if TYPE_CHECKING:
    from pandas import DataFrame

from napari_diatom.api.inputs import AnyPath, one_image, optional_path


def open_images(path: AnyPath, pixel_size_um: float | None = None, z: str | int = BEST) -> list[SlideImage]:
    """Open an image file; pixels are read later, window by window.

    Parameters
    ----------
    path : path
        TIFF, JPEG, PNG or BMP file; with the extra ``microscopes`` also CZI, ND2, LIF, LOF, XLIF or MRXS file, or
        OME-Zarr folder or zip file.
    pixel_size_um : float, optional
        Micrometres per pixel, instead of the file's own.
    z : str or int
        What to use from a focus series: the sharpest plane (``"best"``), the brightest value at each pixel (``"max"``),
        each plane as a separate image (``"each"``), or the number of a plane from 1.

    Returns
    -------
    list of SlideImage
        One, or an image per position and time of a file with several. ``image.read(x0, y0, x1, y1)`` returns a window
        in px as an array of uint8, shape (h, w, 3).

    Raises
    ------
    InputError
        When the file cannot be read or is not an image, or the pixel size is impossible.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> import napari_diatom as nd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (60, 40)).save(Path(folder) / "field.png")
    ...     (image,) = nd.open_images(Path(folder) / "field.png", pixel_size_um=0.1)
    ...     image.read(0, 0, image.width, image.height).shape
    (40, 60, 3)
    """
    return slide_image.open_images(given_path(path, "path"), pixel_size_um, checked_z(z))


def find_scale_bar(image: AnyPath | SlideImage | Any, label: str | None = None) -> ScaleBar | None:
    """Find the scale bar that is burned into an image, and read its label.

    Check the label before you use the pixel size: a digit may be read wrong.

    Parameters
    ----------
    image : path, SlideImage or array-like
        One image, of 100 megapixels at most.
    label : str, optional
        What the bar says, such as ``"20 µm"``; read by default.

    Returns
    -------
    ScaleBar or None
        Its ``length_px``, ``label`` and ``pixel_size_um``; ``disagrees(image.pixel_size_um)`` tells whether the file
        states another pixel size. None if there is no scale bar, or several lines could be one.

    Raises
    ------
    InputError
        When the image cannot be read or is too large, or the label is not a length.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_diatom as nd
    >>> field = np.full((300, 400), 180, np.uint8)
    >>> field[280:284, 250:350] = 0
    >>> bar = nd.find_scale_bar(field, label="20 µm")
    >>> bar.length_px, bar.pixel_size_um
    (100.0, 0.2)
    """
    bar = scale_bar.find_scale_bar(one_image(image, None, None, BEST, "image"))
    return bar if bar is None or label is None else bar.labelled(label)


def read_annotations(path: AnyPath, format: str | None = None, images: AnyPath | None = None) -> list[Annotations]:
    """Read annotations of any format that ``napari-diatom convert`` reads.

    Parameters
    ----------
    path : path
        The file or folder.
    format : str, optional
        Name of the format, such as ``"coco"`` or ``"yolo-obb"``; detected from the content by default.
    images : path, optional
        Folder of the images, for names and sizes that the annotations lack.

    Returns
    -------
    list of Annotations
        One per image; coordinates are in px.

    Raises
    ------
    InputError
        When the format cannot be detected, or the annotations are damaged.

    Warns
    -----
    UserWarning
        About everything that is skipped.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import napari_diatom as nd
    >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8), name="empty.png")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nd.write_annotations(f"{folder}/found.geojson", analysis.annotations())
    ...     (annotations,) = nd.read_annotations(f"{folder}/found.geojson")
    >>> annotations.width, len(annotations)
    (64, 0)
    """
    _, annotations, remarks = conversion.read(given_path(path, "path"), format, optional_path(images, "images"))
    for remark in remarks:
        warnings.warn(remark, UserWarning, stacklevel=2)
    return annotations


def write_annotations(
    path: AnyPath,
    annotations: Annotations | Sequence[Annotations],
    format: str | None = None,
    images: AnyPath | None = None,
) -> None:
    """Write annotations, completely or not at all.

    Parameters
    ----------
    path : path
        The file, or the new folder for formats with a file per image or with images.
    annotations : Annotations or sequence of Annotations
        One per image, from :meth:`Analysis.annotations` or :func:`read_annotations`.
    format : str, optional
        Name of the format; by default the one with this file ending, if there is only one.
    images : path, optional
        Folder of the images, for formats that need names, sizes or the images themselves.

    Raises
    ------
    InputError
        When the format is unknown or not clear, something that it needs is missing, or two of the annotations are of
        one image.
    OutputError
        When a file cannot be written.

    Warns
    -----
    UserWarning
        About what the format cannot hold.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import napari_diatom as nd
    >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8), name="empty.png")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nd.write_annotations(f"{folder}/found.json", analysis.annotations(), format="coco")
    """
    out, parts = given_path(path, "path"), _parts(annotations)
    target = _format_of(out) if format is None else by_name(format)
    conversion.require_distinct(parts, "annotations")
    lost = losses(target, parts)
    target.write(out, parts, optional_path(images, "images"))
    if lost:
        warnings.warn(lost.text(), UserWarning, stacklevel=2)


def measure(
    specimens: Detections | Annotations,
    pixel_size_um: float | None = None,
    image: AnyPath | SlideImage | Any = None,
    numerical_aperture: float | None = None,
) -> DataFrame:
    """Measure specimens.

    Parameters
    ----------
    specimens : Detections or Annotations
        Of one image, in px. Outlines and masks give all measurements; boxes give lengths, widths and areas.
    pixel_size_um : float, optional
        Micrometres per pixel; by default that of the annotations. Without it, sizes in µm are NaN.
    image : path, SlideImage or array-like, optional
        The image, for the brightness inside masks and for the striae; without it, they are NaN.
    numerical_aperture : float, optional
        Of the objective. Striae that are finer than it resolves are refused.

    Returns
    -------
    pandas.DataFrame
        A row per specimen, with the columns of ``specimens.csv``.

    Raises
    ------
    InputError
        When the specimens are of another type, the pixel size is impossible, or the image cannot be read or has
        another size than the annotations say.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> from napari_diatom.core.detections import Detections
    >>> valve = Detections.of(boxes=[[50, 40, 30, 10, 0]], class_ids=[0], scores=[1], classes=["Navicula"])
    >>> nd.measure(valve, pixel_size_um=0.1)[["class", "length_um", "width_um"]]
          class  length_um  width_um
    0  Navicula        3.0       1.0
    """
    if not isinstance(specimens, Detections | Annotations):
        raise InputError(
            f"specimens is of type {type(specimens).__name__}; give Detections or Annotations of one image, such as "
            "analysis.detections."
        )
    opened = None if image is None else one_image(image, None, None, BEST, "image")
    if isinstance(specimens, Annotations):
        size = (specimens.height, specimens.width)
        if opened is not None and None not in size and size != (opened.height, opened.width):
            raise InputError(
                f"The annotations are for an image of {size[1]} x {size[0]} px, and {opened.name} has {opened.width} x "
                f"{opened.height} px: give the image that was annotated."
            )
        if pixel_size_um is not None:
            specimens = replace(specimens, pixel_size_um=pixel_size_um)
        measured = measurements.measure_annotations(specimens, opened, numerical_aperture)
        name, origins = specimens.image, specimens.origins
        names = specimens.names if any(named is not None for named in specimens.names) else None
    else:
        measured = measurements.measure(specimens, pixel_size_um, opened, numerical_aperture)
        name, origins, names = "", ("",) * len(specimens), None
    model = next(iter({origin for origin in origins if origin not in (PERSON, "")}), "")
    rows = table_columns.specimen_rows(name or ("" if opened is None else opened.name), measured, origins, model, names)
    return table_columns.specimen_frame(rows, names is not None, measured.outlines is not None)


def striae_profile(
    specimens: Detections | Annotations,
    number: int,
    image: AnyPath | SlideImage | Any,
    pixel_size_um: float | None = None,
) -> StriaeProfile:
    """Return the brightness along the midline of one specimen and its spectrum, which striae in 10 µm are read from.

    Parameters
    ----------
    specimens : Detections or Annotations
        Of one image, in px.
    number : int
        Which of them, from 1, as in the tables.
    image : path, SlideImage or array-like
        The image.
    pixel_size_um : float, optional
        Micrometres per pixel; by default that of the annotations.

    Returns
    -------
    StriaeProfile
        ``along_um`` and ``brightness``, and ``per_10um`` and ``power``, to be drawn; ``striae`` with what was read.

    Raises
    ------
    InputError
        When there is no such specimen, the image cannot be read, or the specimen has no such profile: it is round, too
        small, cut by the edge of the image, or its pixel size is unknown or too large.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import napari_diatom as nd
    >>> profile = nd.striae_profile(annotations, 1, "slide.tif")  # doctest: +SKIP
    >>> plt.plot(profile.along_um, profile.brightness)  # doctest: +SKIP
    """
    if not isinstance(specimens, Detections | Annotations):
        raise InputError(
            f"specimens is of type {type(specimens).__name__}; give Detections or Annotations of one image."
        )
    masks: Sequence[CroppedMask | None] | None
    if isinstance(specimens, Annotations):
        found, masks = specimens.detections, measurements.annotation_masks(specimens)
        size = specimens.pixel_size_um if pixel_size_um is None else pixel_size_um
    else:
        found, masks, size = specimens, specimens.masks, pixel_size_um
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(found):
        raise InputError(f"number is {number!r}; give the number of a specimen, from 1 to {len(found)}.")
    opened = one_image(image, None, None, BEST, "image")
    mask = None if masks is None else masks[number - 1]
    profile = striae.striae_profile(opened, found.boxes[number - 1], mask, size)
    if isinstance(profile, striae.Striae):
        raise InputError(f"Specimen {number} has no profile of striae: {profile.reason}.")
    return profile


def outline_descriptors(annotations: Annotations | Sequence[Annotations], harmonics: int = 20) -> DataFrame:
    """Describe the shapes of outlines by elliptic Fourier descriptors, whatever their size, place and direction.

    Parameters
    ----------
    annotations : Annotations or sequence of Annotations
        Of one image or several.
    harmonics : int
        How many ellipses are added up, 1 to 100.

    Returns
    -------
    pandas.DataFrame
        A row per specimen with an outline: ``image``, ``specimen`` (its number from 1), ``class``, and ``a1`` to
        ``d20``. The first ellipse has the half length 1: ``a1`` is 1, ``b1`` and ``c1`` are 0.

    Raises
    ------
    InputError
        When the annotations are something else, or the number is out of range.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.outline_descriptors(nd.read_annotations("counts/annotations"))  # doctest: +SKIP
    """
    import pandas as pd

    from napari_diatom.measurement.outline_descriptors import checked_harmonics, descriptor_columns, descriptor_rows

    columns = descriptor_columns(checked_harmonics(harmonics))
    frame = pd.DataFrame(descriptor_rows(_parts(annotations), harmonics), columns=columns)
    return frame.apply(lambda column: column if column.name in ("image", "class") else pd.to_numeric(column))


def _parts(annotations: Any) -> list[Annotations]:
    """Return annotations of one image or several as a list; raises InputError where they are something else."""
    if isinstance(annotations, Annotations):
        return [annotations]
    parts = list(annotations) if isinstance(annotations, Iterable) else [annotations]
    for part in parts:
        if not isinstance(part, Annotations):
            raise InputError(
                f"annotations holds a value of type {type(part).__name__}; give Annotations, such as "
                "analysis.annotations()."
            )
    return parts


def _format_of(path: Path) -> Format:
    """Return the one format whose files end as a path does."""
    alike = [known for known in FORMATS if path.name.lower().endswith(known.suffixes)]
    if len(alike) == 1:
        return alike[0]
    choices = ", ".join(known.name for known in alike or FORMATS)
    raise InputError(f"The name {path.name} does not show the format: name one of {choices}, such as format='coco'.")
