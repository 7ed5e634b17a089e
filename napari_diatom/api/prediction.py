"""Models, and what they find in an image."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.analysis.outlining import check_has_boxes
from napari_diatom.analysis.pipeline import Analysis as Found
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer, given_path
from napari_diatom.core.processor import usable_threads
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.taxa import Names
from napari_diatom.core.text import quoted
from napari_diatom.counting import single_image, table_columns
from napari_diatom.counting.batch_options import Batch, Networks
from napari_diatom.counting.run_output import annotations_of
from napari_diatom.engines.protocols import AnyEngine, Classifier, Outliner
from napari_diatom.images.planes import BEST, checked_z
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement import measurements
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder

if TYPE_CHECKING:
    from pandas import DataFrame

from napari_diatom.api.inputs import AnyPath, model_folder, one_image, progress_monitor


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
        return table_columns.specimen_frame(rows, names is not None, measured.outlines is not None)

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
        out, path = given_path(folder, "folder"), self.image.path
        if sample is not None and not isinstance(sample, str):
            raise InputError(f"sample is {quoted(sample)}; give the name of the sample.")
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
        single_image.save(batch, self.image, self.found, self.model.networks, self.names, self.seconds)
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
    namer : Classifier or None
        The network that names taxa.
    threads : int
        Number of processor threads; results do not depend on it.
    outliner : Outliner or None
        The network that outlines what the first one finds as boxes.
    others : tuple of ModelFolder or None
        Card and folder of the namer, and of the outliner.
    """

    folder: ModelFolder
    engine: AnyEngine = field(repr=False)
    namer: Classifier | None = field(default=None, repr=False)
    threads: int = field(default_factory=usable_threads)
    outliner: Outliner | None = field(default=None, repr=False)
    others: tuple[ModelFolder | None, ModelFolder | None] = field(default=(None, None), repr=False)

    @property
    def networks(self) -> Networks:
        """The networks together."""
        return Networks(self.engine, self.namer, self.outliner)

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
        z: str | int = BEST,
        name: str = "image",
        all_tiles: bool = False,
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
        z : str or int
            What to use from a focus series: the sharpest plane (``"best"``), the brightest value at each pixel
            (``"max"``), or the number of a plane from 1. Does not apply to an opened image.
        name : str
            Name of an array in tables.
        all_tiles : bool
            Also search tiles that show nothing but the camera's noise; it takes longer.
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
        options = AnalysisOptions(threshold=threshold, pixel_size_um=pixel_size_um, all_tiles=all_tiles)
        monitor, z = progress_monitor(report), checked_z(z)
        opened = one_image(image, pixel_size_um, axes, z, name)
        started = time.perf_counter()
        found = analyse(opened, self.engine, options, monitor, self.outliner)
        names = None if self.namer is None else self.namer.name(opened, found.kept, monitor)
        return Analysis(found, opened, self, names, options, time.perf_counter() - started, z)


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
    outlines: AnyPath | bool | None = None,
    threads: int | None = None,
    precision: str = "auto",
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
    outlines : bool, str or path, optional
        True, or a model for outlines: what the model finds as boxes gets outlines, and with them areas, shapes and
        masks. True takes ``diatom-outline``.
    threads : int, optional
        Number of processor threads; all by default. Results do not depend on it.
    precision : str
        What the networks compute with: ``"single"`` precision, whole numbers of 8 bits (``"int8"``, about twice as fast
        on a CPU), ``"bfloat16"``, or ``"auto"``: 8 bits if the model's card proves that they lose next to nothing.

    Raises
    ------
    ModelError
        When there is no such model, it is damaged or for another task, or the device or the precision is not to be had.
    InputError
        When ``threads`` is not a whole number from 1, or a name is empty or not text.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.load_model("diatom-obb").card.classes
    ('diatom',)

    Boxes with outlines, where a model for outlines is installed:

    >>> if "diatom-outline" in nd.available_models():
    ...     model = nd.load_model("diatom-obb", outlines=True)
    """
    from napari_diatom import engines

    number = usable_threads() if threads is None else given_integer(threads, "threads")
    if number < 1:
        raise InputError(f"threads is {number}; give 1 or more.")
    folder = model_folder(name_or_path)
    naming = None if namer is None else model_folder(namer)
    classifier = None if naming is None else engines.load_classifier(naming, device, number)
    outliner = outlining = None
    if outlines is not None and outlines is not False:
        check_has_boxes(folder.card)
        outlining = library.resolve_outliner(library.OUTLINER) if outlines is True else model_folder(outlines)
        outliner = engines.load_outliner(outlining, device, number, precision)
    engine = engines.load(folder, device, number, precision)
    return Model(folder, engine, classifier, number, outliner, (naming, outlining))
