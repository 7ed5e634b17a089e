"""What the window does, in a few lines of Python: ``import napari_diatom as nd``.

>>> import napari_diatom as nd
>>> model = nd.load_model("diatom-obb")
>>> analysis = model.predict("sample_data/slides/river_bright_field_40x.jpg")  # doctest: +SKIP
>>> analysis.specimens()[["class", "length_um", "width_um"]]  # doctest: +SKIP
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.analysis.pipeline import Analysis as Found
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.processor import usable_threads
from napari_diatom.core.progress import ProgressMonitor, Report, silent
from napari_diatom.core.taxa import Names
from napari_diatom.counting import single_image, table_columns
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.run_output import annotations_of
from napari_diatom.engines.protocols import AnyEngine, Namer
from napari_diatom.formats import conversion
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import FORMATS, Format, by_name
from napari_diatom.images import slide_image
from napari_diatom.images.array_axes import image_of
from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement import measurements
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder

if TYPE_CHECKING:
    from pandas import DataFrame

    from diatom_training.evaluation.evaluation import Evaluation
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import RunFolder

__all__ = [
    "Analysis",
    "Model",
    "TrainingRun",
    "available_models",
    "evaluate",
    "load_model",
    "measure",
    "open_images",
    "read_annotations",
    "show_versions",
    "train",
    "write_annotations",
]

AnyPath = str | PathLike[str]
"""A file or folder."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """The specimens of one image; :meth:`Model.predict` returns it.

    Attributes
    ----------
    found : napari_diatom.analysis.pipeline.Analysis
        All specimens at any score, with scales, pixel size and notices.
    image : SlideImage
        The image.
    model : Model
        The model that was used.
    names : Names or None
        Names of the specimens at the threshold, if the model names taxa.
    options : AnalysisOptions
        The options of the analysis.
    seconds : float
        How long the analysis took.
    z : str
        The plane that was used from a focus series.
    """

    found: Found
    image: SlideImage
    model: Model
    names: Names | None = None
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    seconds: float = 0.0
    z: str = BEST

    def __len__(self) -> int:
        return len(self.detections)

    def __repr__(self) -> str:
        return f"<Analysis of {self.image.name}: {len(self)} specimens, found by {self.found.origin}>"

    @property
    def detections(self) -> Detections:
        """The N specimens at the threshold, with boxes, scores, classes and masks; see its own documentation."""
        return self.found.kept

    @property
    def pixel_size_um(self) -> float | None:
        """Micrometres per pixel, None if unknown."""
        return self.found.pixel_size_um

    @property
    def notices(self) -> tuple[str, ...]:
        """Messages about how the image was read."""
        return self.found.notices

    def specimens(self) -> DataFrame:
        """Return the table of specimens, with the columns and numbers of ``specimens.csv``.

        Returns
        -------
        pandas.DataFrame
            A row per specimen at the threshold. Lengths are in px and µm, areas in px² and µm², angles in degrees; a
            number that is not known is NaN.

        Raises
        ------
        InputError
            When the brightness inside masks cannot be read from the image.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_diatom as nd
        >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8))
        >>> analysis.specimens().columns[:4].to_list()
        ['image', 'specimen', 'class', 'status']
        """
        found = self.found
        measured = measurements.measure(found.kept, found.pixel_size_um, self.image)
        names = None if self.names is None else self.names.verdicts
        rows = table_columns.specimen_rows(found.image, measured, [found.origin] * len(self), found.origin, names)
        return table_columns.specimen_frame(rows, names is not None)

    def annotations(self) -> Annotations:
        """Return the specimens as annotations, for :func:`write_annotations`.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_diatom as nd
        >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8), name="empty")
        >>> analysis.annotations().image
        'empty'
        """
        return annotations_of(self.found, self.image, None if self.names is None else self.names.verdicts)

    def save(
        self,
        folder: AnyPath,
        *,
        sample: str | None = None,
        overlays: bool = True,
        masks: bool = False,
        xlsx: bool = False,
        overwrite: bool = False,
    ) -> Path:
        """Write the files of ``napari-diatom count``: tables, annotations, an overlay, and a record of the run.

        Parameters
        ----------
        folder : path
            A new or empty folder.
        sample : str, optional
            Name of the sample; by default that of the image's folder.
        overlays, masks, xlsx : bool
            Whether to write an overlay, masks as a label image and COCO, and also the tables as XLSX.
        overwrite : bool
            Whether to remove earlier results of ``count`` or ``save`` from the folder.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        InputError
            When the folder already holds results, or masks are requested and the model gives none.
        OutputError
            When a file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import napari_diatom as nd
        >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sorted(path.name for path in analysis.save(folder).glob("*.csv"))
        ['counts.csv', 'images.csv', 'specimens.csv']
        """
        out, path = Path(folder), self.image.path
        batch = Batch(
            inputs=(self.image.name if path is None else str(path),),
            out=out,
            options=self.options,
            protocol=Protocol(),
            sample=sample,
            overlays=overlays,
            masks=masks,
            xlsx=xlsx,
            z=self.z,
            overwrite=overwrite,
            threads=self.model.threads,
        )
        model = self.model
        single_image.save(batch, self.image, self.found, model.engine, model.namer, self.names, self.seconds)
        return out


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model; :func:`load_model` returns it.

    Attributes
    ----------
    folder : ModelFolder
        The model's card and folder.
    engine : AnyEngine
        The network.
    namer : Namer or None
        The network that names taxa.
    threads : int
        Number of processor threads; results do not depend on it.
    """

    folder: ModelFolder
    engine: AnyEngine = field(repr=False)
    namer: Namer | None = field(default=None, repr=False)
    threads: int = field(default_factory=usable_threads)

    @property
    def card(self) -> ModelCard:
        """The model's description: name, version, task, classes, thresholds, training, figures."""
        return self.folder.card

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def device(self) -> str:
        """The device it runs on: ``"cpu"``, ``"cuda"`` or ``"mps"``."""
        return self.engine.device

    def predict(
        self,
        image: AnyPath | SlideImage | Any,
        pixel_size_um: float | None = None,
        threshold: float | None = None,
        *,
        axes: str | None = None,
        z: str = BEST,
        name: str = "image",
        report: Report = silent,
    ) -> Analysis:
        """Find the specimens in an image.

        Parameters
        ----------
        image : path, SlideImage or array-like
            A file with one image, an image from :func:`open_images`, or an array: grey (Y, X), RGB (Y, X, 3) or RGBA
            (Y, X, 4), or any layout that ``axes`` names. Values of 8 bits are taken as they are; those of other types
            are spread from their 0.1th to their 99.9th percentile.
        pixel_size_um : float, optional
            Micrometres per pixel, instead of the file's own.
        threshold : float, optional
            Lowest score of a specimen, above 0 and up to 1; the model's own by default.
        axes : str, optional
            The axes of an array, a letter each: ``Y`` and ``X``, ``C`` for channels or colours, ``Z`` for focus planes,
            such as ``"CYX"``. Needed if the shape is not clear: an array of shape (3, Y, X) may hold three channels
            or three planes.
        z : str
            What to use from a focus series: the sharpest plane (``"best"``), the brightest value at each pixel
            (``"max"``), or the number of a plane from 1. Does not apply to an opened image.
        name : str
            Name of an array in tables.
        report : callable
            Gets a :class:`~napari_diatom.core.progress.Progress` for each tile.

        Returns
        -------
        Analysis
            The specimens.

        Raises
        ------
        InputError
            When the image cannot be read, holds NaN, or has an unclear layout; when a file holds several
            images; or when the pixel size or the threshold is impossible.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_diatom as nd
        >>> model = nd.load_model("diatom-obb")
        >>> len(model.predict(np.full((3, 64, 64), 200, np.uint8), axes="CYX"))
        0
        """
        options = AnalysisOptions(threshold=threshold, pixel_size_um=pixel_size_um)
        opened = _image(image, pixel_size_um, axes, z, name)
        started = time.perf_counter()
        monitor = ProgressMonitor(report)
        found = analyse(opened, self.engine, options, monitor)
        names = None if self.namer is None else self.namer.name(opened, found.kept, monitor)
        return Analysis(found, opened, self, names, options, time.perf_counter() - started, z)


@dataclass(frozen=True)
class TrainingRun:
    """A finished training; :func:`train` returns it.

    Attributes
    ----------
    folder : pathlib.Path
        Folder of the run: settings, split, curves, report and model.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The folder of the trained model, for :func:`load_model` and :func:`evaluate`."""
        from diatom_training.finetune.run_folder import MODEL

        return self.folder / MODEL

    @property
    def report(self) -> Path:
        """The folder of the report on the test slides."""
        from diatom_training.finetune.run_folder import REPORT

        return self.folder / REPORT

    def history(self) -> DataFrame:
        """Return the figures of each epoch, a row each, counted from 1.

        Raises
        ------
        InputError
            When the file with the figures is damaged.
        """
        import pandas as pd

        from diatom_training.finetune.run_folder import RunFolder

        frame = pd.DataFrame(RunFolder(self.folder).history())
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="epoch")
        return frame


def available_models() -> dict[str, ModelCard]:
    """Return the bundled models and your own, the default one first.

    Returns
    -------
    dict of str to ModelCard
        The card of each model by its name. Damaged models are left out; ``napari-diatom doctor`` lists them.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.available_models()["diatom-obb"].task
    'oriented-boxes'
    """
    return {model.card.name: model.card for model in library.available()}


def load_model(
    name_or_path: AnyPath = library.DEFAULT,
    device: str = "auto",
    *,
    namer: AnyPath | None = None,
    threads: int | None = None,
) -> Model:
    """Load a model.

    Parameters
    ----------
    name_or_path : str or path
        Name of a model (see :func:`available_models`), its folder or ``.diatom-model`` file, or the folder of a
        training run.
    device : str
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"mps"``.
    namer : str or path, optional
        A model that names the taxa of the specimens.
    threads : int, optional
        Number of processor threads; all by default. Results do not depend on it.

    Raises
    ------
    ModelError
        When there is no such model, it is damaged or for another task, or the device is missing.
    InputError
        When ``threads`` is below 1.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.load_model("diatom-obb").card.classes
    ('diatom',)
    """
    from napari_diatom import engines

    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}; give 1 or more.")
    number = threads or usable_threads()
    folder = _model_folder(name_or_path)
    naming = None if namer is None else engines.load_namer(_model_folder(namer), device, number)
    return Model(folder, engines.load(folder, device, number), naming, number)


def open_images(path: AnyPath, pixel_size_um: float | None = None, z: str = BEST) -> list[SlideImage]:
    """Open an image file; pixels are read later, window by window.

    Parameters
    ----------
    path : path
        TIFF, JPEG, PNG or BMP file.
    pixel_size_um : float, optional
        Micrometres per pixel, instead of the file's own.
    z : str
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
    return slide_image.open_images(Path(path), pixel_size_um, z)


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
    _, annotations, remarks = conversion.read(Path(path), format, None if images is None else Path(images))
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
        When the format is unknown or not clear, or something that it needs is missing.
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
    target = _format_of(Path(path)) if format is None else by_name(format)
    parts = [annotations] if isinstance(annotations, Annotations) else list(annotations)
    lost = losses(target, parts)
    target.write(Path(path), parts, None if images is None else Path(images))
    if lost:
        warnings.warn(lost.text(), UserWarning, stacklevel=2)


def measure(
    specimens: Detections | Annotations,
    pixel_size_um: float | None = None,
    image: AnyPath | SlideImage | Any = None,
) -> DataFrame:
    """Measure specimens.

    Parameters
    ----------
    specimens : Detections or Annotations
        Of one image, in px. Outlines and masks give all measurements; boxes give lengths, widths and areas.
    pixel_size_um : float, optional
        Micrometres per pixel; by default that of the annotations. Without it, sizes in µm are NaN.
    image : path, SlideImage or array-like, optional
        The image, for the brightness inside masks; without it, brightness is NaN.

    Returns
    -------
    pandas.DataFrame
        A row per specimen, with the columns of ``specimens.csv``.

    Raises
    ------
    InputError
        When the pixel size is impossible, or the image cannot be read.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> from napari_diatom.core.detections import Detections
    >>> valve = Detections.of(boxes=[[50, 40, 30, 10, 0]], class_ids=[0], scores=[1], classes=["Navicula"])
    >>> nd.measure(valve, pixel_size_um=0.1)[["class", "length_um", "width_um"]]
          class  length_um  width_um
    0  Navicula        3.0       1.0
    """
    opened = None if image is None else _image(image, None, None, BEST, "image")
    if isinstance(specimens, Annotations):
        if pixel_size_um is not None:
            specimens = replace(specimens, pixel_size_um=pixel_size_um)
        measured = measurements.measure_annotations(specimens, opened)
        name, origins = specimens.image, specimens.origins
        names = specimens.names if any(named is not None for named in specimens.names) else None
    else:
        measured = measurements.measure(specimens, pixel_size_um, opened)
        name, origins, names = "", ("",) * len(specimens), None
    model = next(iter({origin for origin in origins if origin not in (PERSON, "")}), "")
    rows = table_columns.specimen_rows(name or ("" if opened is None else opened.name), measured, origins, model, names)
    return table_columns.specimen_frame(rows, names is not None)


def train(
    config: AnyPath | Mapping[str, Any] | TrainConfig, folder: AnyPath | None = None, *, report: Report = silent
) -> TrainingRun:
    """Train a model on annotated slides, in a separate process; returns when the training has finished.

    An interrupt (Ctrl+C, or the stop button of a notebook) ends the training too, and keeps the best weights so far.

    Parameters
    ----------
    config : path, dict or TrainConfig
        What ``napari-diatom train`` reads: a YAML file, or its entries, such as
        ``{"name": "navicula", "data": "my-project", "task": "oriented-boxes"}``. The folder of a run that was stopped
        continues it.
    folder : path, optional
        New folder of the run; by default ``runs/NAME`` beside the YAML file, or in the working folder.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step and epoch, in a thread.

    Returns
    -------
    TrainingRun
        The run with its model, history and report.

    Raises
    ------
    InputError
        When the configuration or the data cannot be used, or the folder is not empty.
    OutputError
        When the folder cannot be written.
    Stopped
        When it was interrupted.
    DiatomError
        When the training fails.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> run = nd.train("navicula.yaml")  # doctest: +SKIP
    >>> model = nd.load_model(run.folder)  # doctest: +SKIP
    """
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import RunFolder

    beside = Path()
    if isinstance(config, TrainConfig):
        settings = config
    elif isinstance(config, Mapping):
        settings = TrainConfig.of(**config)
    elif Path(config).is_dir():
        if folder is not None:
            raise InputError(f"{config} is a run, which continues in its own folder: leave folder out.")
        return _finished(RunFolder.open(Path(config)), report)
    else:
        settings, beside = TrainConfig.read(Path(config)), Path(config).absolute().parent
    out = beside / "runs" / settings.name if folder is None else Path(folder)
    return _finished(RunFolder.create(out, settings), report)


def evaluate(
    model: AnyPath | Model,
    data: AnyPath,
    out: AnyPath | None = None,
    *,
    images: AnyPath | None = None,
    part: str | None = None,
    threshold: float | None = None,
    device: str = "auto",
    report: Report = silent,
) -> Evaluation:
    """Test a model on annotated slides.

    Parameters
    ----------
    model : str, path or Model
        The model.
    data : path
        A project, annotations of any format, or the folder of a training run.
    out : path, optional
        Folder for ``report.html`` and ``report.json``; by default no report is written.
    images : path, optional
        Folder of the images, if they are not beside the annotations.
    part : str, optional
        ``"train"``, ``"validation"``, ``"test"`` or ``"all"``; by default the test part, or all if there is no
        split.
    threshold : float, optional
        Lowest score of a specimen, above 0 and up to 1; the model's own by default.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each image and tile.

    Returns
    -------
    Evaluation
        Figures with their intervals: ``evaluation.figures()["f1"]``, ``evaluation.intervals["ap50"]``.

    Raises
    ------
    InputError
        When the data cannot be read or hold no annotated specimen.
    ModelError
        When the model cannot be loaded.
    OutputError
        When the report cannot be written.

    Warns
    -----
    UserWarning
        When the model was trained on some of these images, and about other problems of the data.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.evaluate("diatom-obb", "my-project").figures()["f1"]  # doctest: +SKIP
    """
    from diatom_training.cli.evaluate import leaks, read_test_set
    from diatom_training.evaluation.evaluate import evaluate_model
    from diatom_training.evaluation.test_set import TestImage
    from napari_diatom.core.text import sentence

    folder = model.folder if isinstance(model, Model) else _model_folder(model)
    monitor = ProgressMonitor(report)
    chosen = read_test_set(Path(data), None if images is None else Path(images), part=part, monitor=monitor)
    told = (*map(sentence, chosen.warnings), *leaks(folder, chosen.slides))
    for line in told:
        warnings.warn(line, UserWarning, stacklevel=2)
    slides = [TestImage.of(slide) for slide in chosen.slides]
    remarks = (f"Tested on {chosen.text}.", *told)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-") as scratch:
        out = Path(scratch if out is None else out)
        return evaluate_model(
            folder, slides, out, threshold, device, monitor, one_class=chosen.one_class, remarks=remarks
        )


def show_versions() -> None:
    """Print versions, devices, models, folders, and known problems with their remedies, as ``napari-diatom doctor``.

    Paste it into a bug report.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.show_versions()  # doctest: +SKIP
    """
    from napari_diatom.diagnostics.checkup import examine

    print(examine().text())


def _finished(run: RunFolder, report: Report) -> TrainingRun:
    """Train until the run has finished."""
    from diatom_training.finetune import training_process

    training_process.follow(run, report)
    return TrainingRun(run.path)


def _model_folder(name_or_path: AnyPath) -> ModelFolder:
    """Return a model by its name or path, or the model of a training run."""
    from diatom_training.finetune.run_folder import find_model

    return find_model(str(name_or_path))


def _image(image: Any, pixel_size_um: float | None, axes: str | None, z: str, name: str) -> SlideImage:
    """Return the one image of a file, an opened image, or an array."""
    if isinstance(image, SlideImage):
        return image
    if not isinstance(image, str | PathLike):
        return image_of(image, name, None, axes, z)
    pages = open_images(image, pixel_size_um, z)
    if len(pages) > 1:
        raise InputError(
            f"{image} holds {len(pages)} images: open it with open_images, and hand over the images one by one."
        )
    return pages[0]


def _format_of(path: Path) -> Format:
    """Return the one format whose files end as a path does."""
    alike = [known for known in FORMATS if path.name.lower().endswith(known.suffixes)]
    if len(alike) == 1:
        return alike[0]
    choices = ", ".join(known.name for known in alike or FORMATS)
    raise InputError(f"The name {path.name} does not show the format: name one of {choices}, such as format='coco'.")
