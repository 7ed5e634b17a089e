"""The eight example slides: how they are rendered and stored.

``python -m diatom_training.synthesis.sample_slides [DEST]`` writes them with their truth; the same bytes every time.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from diatom_training.synthesis.render import RenderedField, render_field
from diatom_training.synthesis.sample_descriptions import SAMPLES, Sample
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import atomic, write_atomically
from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.processes import command_of
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.formats.geojson import codec as geojson

_JPEG_QUALITY: Final = 92


_OME_XML: Final = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" BigEndian="false"
 SizeX="{width}" SizeY="{height}" SizeC="1" SizeZ="1" SizeT="1"
 PhysicalSizeX="{size}" PhysicalSizeXUnit="µm" PhysicalSizeY="{size}" PhysicalSizeYUnit="µm">
<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData IFD="0" PlaneCount="1"/></Pixels></Image></OME>"""


def render_sample(name: str) -> RenderedField:
    """Render an example slide.

    Raises
    ------
    InputError
        When there is none of this name; the message lists the names.
    """
    sample = _named(name)
    return render_field(sample.options, sample.seed)


@dataclass(frozen=True)
class SampleOptions:
    """Where the example slides are written.

    Attributes
    ----------
    folder : Path
        A new or empty folder; the slides are written to ``slides`` in it, and their specimens to ``truth``.
    """

    folder: Annotated[Path, Field(title="Write to", json_schema_extra={"path": "folder"})] = Path("diatom-samples")


def write_new_samples(options: SampleOptions, monitor: ProgressMonitor = UNWATCHED) -> list[Path]:
    """Write every example slide to a folder that is new or empty.

    Parameters and errors are those of :func:`write_samples`.

    Raises
    ------
    InputError
        When the folder is a file, or has something in it.
    """
    folder = options.folder
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name a folder for the example slides.")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not empty: name another folder for the example slides.")
    return write_samples(folder, monitor)


def write_samples(dest: Path, monitor: ProgressMonitor = UNWATCHED) -> list[Path]:
    """Write every example slide to ``dest/slides`` and its truth, named alike, to ``dest/truth``.

    Parameters
    ----------
    dest : Path
        Folder, made where missing; slides of the same name in it are replaced.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports each slide, and stops there when asked.

    Returns
    -------
    list of Path
        The files, each slide followed by its truth.

    Raises
    ------
    OutputError
        When a file cannot be written.
    Stopped
        When the monitor asked for it; finished slides stay.
    """
    written: list[Path] = []
    for done, sample in enumerate(SAMPLES):
        monitor.check()
        monitor.report(Progress("slides", done, len(SAMPLES), sample.file))
        written += write_sample(dest, sample.name)
    monitor.report(Progress("slides", len(SAMPLES), len(SAMPLES)))
    return written


def write_sample(dest: Path, name: str) -> list[Path]:
    """Write one example slide and its truth below ``dest``; return both files.

    Raises
    ------
    InputError
        When there is none of this name.
    OutputError
        When a file cannot be written.
    """
    sample = _named(name)
    rendered = render_sample(name)
    slide = dest / "slides" / sample.file
    truth = dest / "truth" / f"{slide.stem}{geojson.SUFFIX}"
    write_atomically(slide, _encoded(sample, rendered.image))
    annotations = Annotations.of(
        rendered.truth,
        reviewed=True,
        image=sample.file,
        height=sample.options.height,
        width=sample.options.width,
        pixel_size_um=sample.options.pixel_size_um,
    )
    geojson.write(truth, annotations)
    return [slide, truth]


def _named(name: str) -> Sample:
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise InputError(f"There is no example slide {name!r}. Example slides: {', '.join(s.name for s in SAMPLES)}.")


def _encoded(sample: Sample, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return the content of the image file; nothing in it tells when or by which program it was written."""
    suffix = Path(sample.file).suffix
    if suffix == ".tif":
        return _tiff(sample, image)
    settings = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9],
    }
    # OpenCV takes colours as blue, green, red.
    flipped: NDArray[Any] = np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image
    done, coded = cv2.imencode(suffix, flipped, settings[suffix])
    if not done:
        raise RuntimeError(f"OpenCV could not encode {sample.file}")
    return bytes(coded)


def _tiff(sample: Sample, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return a TIFF file: OME with 256 px tiles where its name says so, else strips and resolution tags."""
    import tifffile

    options = sample.options
    stream = io.BytesIO()
    layout: dict[str, Any]
    if sample.file.endswith(".ome.tif"):
        xml = _OME_XML.format(name=sample.name, width=options.width, height=options.height, size=options.pixel_size_um)
        layout = {"tile": (256, 256), "description": xml.encode()}
    else:
        per_cm = 1e4 / options.pixel_size_um
        layout = {"rowsperstrip": 64, "resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        stream,
        image,
        photometric="minisblack" if image.ndim == 2 else "rgb",
        compression="zlib",
        compressionargs={"level": 9},
        predictor=True,
        software=False,
        metadata=None,
        byteorder="<",
        **layout,
    )
    return stream.getvalue()


def render_to(name: str, file: str | Path) -> None:
    """Render an example slide into a ``.npy`` file, which appears whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    image = render_sample(name).image
    with atomic(Path(file)) as stream:
        np.save(stream, image)


def render_command(name: str, file: Path) -> list[str]:
    """Return the command that runs :func:`render_to` in a separate process."""
    return command_of("diatom_training.synthesis.sample_slides:render_to", name, str(file))


def rendered(file: Path, stderr: str) -> None:
    """Check that a rendering process has done its work.

    Raises
    ------
    OutputError
        With the last line of what it wrote to ``stderr``.
    """
    if not file.exists():
        lines = stderr.strip().splitlines()
        raise OutputError(f"The example slide could not be rendered: {lines[-1] if lines else 'the process ended.'}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the example slides; the command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m diatom_training.synthesis.sample_slides", description=main.__doc__)
    parser.add_argument(
        "dest", nargs="?", type=Path, default=Path("sample_data"), metavar="DEST", help="folder (sample_data)"
    )
    dest: Path = parser.parse_args(arguments).dest
    monitor = ProgressMonitor(lambda progress: print(progress.message, file=sys.stderr) if progress.message else None)
    try:
        for path in write_samples(dest, monitor):
            print(path)
    except DiatomError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
