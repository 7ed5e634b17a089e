"""What to count, and what came of it: plain facts that all of ``counting`` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_diatom.analysis.outlining import check_has_boxes
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError
from napari_diatom.core.processor import usable_threads
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.shards import Shard
from napari_diatom.engines.protocols import AnyEngine, Classifier, Outliner
from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import LARGEST_DECODE_MB
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.models.card import MASK_TASKS


@dataclass(frozen=True)
class Batch:
    """What to count, and where to put the results.

    Attributes
    ----------
    inputs : tuple of str
        Files, folders and patterns.
    out : Path
        Folder of the results.
    options : AnalysisOptions
        Of the analysis.
    protocol : Protocol
        What counts.
    sample : str or None
        Sample that all images belong to; None takes the name of each image's folder.
    overlays, masks, xlsx : bool
        Whether to write overlays, masks as label images and COCO, and the tables as XLSX too.
    z : str
        What is taken of focus series: ``"best"``, ``"max"``, ``"each"``, or the number of a plane from 1.
    max_decode_mb : int
        Megabytes that a piece of an image may need to be decoded.
    resume : bool
        Go on with an interrupted run.
    overwrite : bool
        Begin again where ``out`` holds results.
    threads : int
        Of the processor that the networks may take, as ``run.json`` says; results do not depend on it.
    shard : Shard or None
        Count only these of the images, and write no tables: other runs count the others into the same folder, and
        :func:`napari_diatom.counting.merge.merge_shards` writes the tables of all.
    """

    inputs: tuple[str, ...]
    out: Path
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    protocol: Protocol = field(default_factory=Protocol)
    sample: str | None = None
    overlays: bool = True
    masks: bool = False
    xlsx: bool = False
    z: str = BEST
    max_decode_mb: int = LARGEST_DECODE_MB
    resume: bool = False
    overwrite: bool = False
    threads: int = field(default_factory=usable_threads)
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.shard is not None and self.overwrite:
            raise InputError(
                "A shard cannot begin a folder again, since others may be at work there: name another folder for the "
                "results, or delete this one first."
            )


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks of a run.

    Attributes
    ----------
    engine : AnyEngine
        Finds specimens.
    namer : Classifier or None
        Names them.
    outliner : Outliner or None
        Outlines them.
    """

    engine: AnyEngine
    namer: Classifier | None = None
    outliner: Outliner | None = None

    @property
    def named(self) -> bool:
        """Whether taxa are named."""
        return self.namer is not None

    @property
    def outlined(self) -> bool:
        """Whether specimens that were found as boxes are outlined."""
        return self.outliner is not None

    def check(self, masks: bool) -> None:
        """Check that the networks go together, and give masks where these are to be written.

        Raises
        ------
        InputError
            When masks are to be written and there are only boxes.
        ModelError
            When specimens are to be outlined that have masks already.
        """
        card = self.engine.card
        if self.outlined:
            check_has_boxes(card)
        elif masks and card.task not in MASK_TASKS:
            raise InputError(
                f"Model {card.name} finds boxes, not masks: have them outlined (--outlines), or choose a model for "
                "maps or instances (see `napari-diatom models list`)."
            )


@dataclass(frozen=True)
class Skipped:
    """An image that is not counted, and why."""

    image: str
    reason: str


@dataclass(frozen=True)
class BatchResult:
    """What a batch came to.

    Attributes
    ----------
    images : tuple of ImageResult
        In the order of the inputs, a result per page of a file of several; without the rows of specimens, which are
        in ``specimens.csv``.
    skipped : tuple of Skipped
        Files that are skipped, then files and pages that could not be counted.
    """

    images: tuple[ImageResult, ...]
    skipped: tuple[Skipped, ...]
