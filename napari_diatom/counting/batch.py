"""Counting many images: one after the other, each result written whole, resumed where it was interrupted.

The tables are made from the stored results of the images in the order of the inputs, so a resumed run gives the bytes
of an undisturbed one. An image that cannot be counted, for whatever reason, is named, and the others continue.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from napari_diatom.analysis.pipeline import analyse
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import printable
from napari_diatom.counting import run_record
from napari_diatom.counting.batch_options import Batch, BatchResult, Networks, Skipped
from napari_diatom.counting.image_outputs import Outputs
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.image_states import CountState, ImageState, Watch, result_facts, unwatched
from napari_diatom.counting.result_names import Source, path_below_shared_folder, plan_sources
from napari_diatom.counting.results_folder import FULL, ResultsFolder
from napari_diatom.counting.run_output import CountedImages, write_image, write_run
from napari_diatom.counting.shard_record import write_shard
from napari_diatom.engines.protocols import AnyEngine, Classifier, Outliner
from napari_diatom.images.image_content import content_state
from napari_diatom.images.image_files import SkippedFile, advice, irregular, search
from napari_diatom.images.planes import checked_z
from napari_diatom.images.slide_image import SlideImage, checked_decode_mb, open_images


def count(
    batch: Batch,
    load: Callable[[], AnyEngine],
    monitor: ProgressMonitor = UNWATCHED,
    load_namer: Callable[[], Classifier] | None = None,
    tell: Callable[[Skipped], None] = lambda skipped: None,
    load_outliner: Callable[[], Outliner] | None = None,
    watch: Watch = unwatched,
) -> BatchResult:
    """Count the specimens in many images and write annotations, overlays, tables and ``run.json``.

    Parameters
    ----------
    batch : Batch
        Inputs, output and options.
    load : callable
        Loads the network; called once inputs and output have proved usable.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"`` per file, ``"tiles"``, ``"outlines"`` and
        ``"names"`` within.
    load_namer : callable, optional
        Loads the network that names what was found, beside ``load``; taxa are counted then, not classes.
    tell : callable, optional
        Gets each skipped image, as soon as one image is counted; if none is, the error says so.
    load_outliner : callable, optional
        Loads the network that outlines what was found as boxes, beside ``load``.
    watch : callable
        Gets the state of images: of all at the beginning, of those of a stack when it is opened, and of each when
        something has become of it and its result is on disk.

    Raises
    ------
    InputError
        When there is nothing to count, not one image can be read, the options do not fit the folder of results, or
        another run is writing there.
    OutputError
        When results cannot be written; those of finished images stay for ``resume``.
    ModelError
        When a network cannot be loaded, or is for another task.
    Stopped
        When a stop was asked for; finished images stay for ``resume``.
    """
    started = time.perf_counter()
    began = datetime.now(UTC)
    batch = replace(batch, z=checked_z(batch.z), max_decode_mb=checked_decode_mb(batch.max_decode_mb))
    found = search(batch.inputs)
    sources = plan_sources(found.images, batch.sample)
    folder = ResultsFolder(batch.out, batch.shard)
    folder.prepare(batch.resume, batch.overwrite)
    with folder.held():
        networks = Networks(
            load(),
            None if load_namer is None else load_namer(),
            None if load_outliner is None else load_outliner(),
        )
        networks.check(batch.masks)
        folder.open(sources, batch.overwrite, run_record.result_settings(batch, networks))
        run = _Run(batch, networks, folder, monitor, tell, watch)
        every, sources = sources, sources if batch.shard is None else batch.shard.picked(sources)
        run.expect(sources)
        for item in found.passed_over:
            run.pass_over(item, path_below_shared_folder(item.path, found.images))
        passed_over = list(run.skipped)
        counted: dict[str, CountedImages] = {}
        for number, source in enumerate(sources):
            monitor.report(Progress("images", number, len(sources), source.name))
            monitor.check()
            counted[source.name] = run.count(source)
        if not run.results and batch.shard is None:
            run.fail(len(found.passed_over))
        run.tell_skipped()
        monitor.report(Progress("images", len(sources), len(sources)))
        seconds = time.perf_counter() - started
        if batch.shard is None:
            write_run(folder, batch, networks, run.counted(), began, seconds)
        else:
            record = run_record.record(batch, networks, (), (), began, seconds)
            write_shard(folder, record, [source.name for source in every], counted, passed_over, networks)
    return BatchResult(tuple(run.results), tuple(run.skipped))


class _Run:
    """A run under way: its images one by one, and what has come of them.

    Attributes
    ----------
    results : list of ImageResult
        Without the rows of specimens, which stay on disk: memory does not grow with the number of images.
    outputs : list of Outputs
        The files of each of them.
    parts : list of Path
        Where each of them is stored.
    skipped : list of Skipped
        What is not counted.
    """

    def __init__(
        self,
        batch: Batch,
        networks: Networks,
        folder: ResultsFolder,
        monitor: ProgressMonitor,
        tell: Callable[[Skipped], None],
        watch: Watch,
    ) -> None:
        self.results: list[ImageResult] = []
        self.outputs: list[Outputs] = []
        self.parts: list[Path] = []
        self.skipped: list[Skipped] = []
        self._batch, self._networks, self._folder = batch, networks, folder
        self._monitor, self._tell, self._watch = monitor, tell, watch
        self._told = 0

    def expect(self, sources: Sequence[Source]) -> None:
        """Tell of all files, before the first is opened."""
        self._watch(tuple(_waiting(source) for source in sources))

    def pass_over(self, item: SkippedFile, name: str) -> None:
        """Skip a file that is not opened."""
        sample = printable(self._batch.sample or item.path.parent.name)
        self._skip(ImageState(name, name, printable(str(item.path)), sample), item.reason)

    def _skip(self, image: ImageState, why: str) -> None:
        """Skip an image."""
        self.skipped.append(Skipped(image.image, printable(why)))
        self._watch((replace(image, state=CountState.SKIPPED, reason=printable(why)),))

    def tell_skipped(self) -> None:
        """Tell of what was skipped since the last time."""
        for item in self.skipped[self._told :]:
            self._tell(item)
        self._told = len(self.skipped)

    def fail(self, passed_over: int) -> None:
        """Raise the error of a run without a single result, whose first skipped files were not even opened."""
        others = len(self.skipped) - 1
        more = f" None of the other {others:,} could be counted either." if others > 1 else ""
        more = " The other one could not be counted either." if others == 1 else more
        raise InputError(self.skipped[passed_over].reason + more)

    def counted(self, first: int = 0, skipped: int = 0) -> CountedImages:
        """Return what has come of the images from the ``first`` on, and of what is skipped from there on."""
        return CountedImages(self.results[first:], self.outputs[first:], self.parts[first:], self.skipped[skipped:])

    def count(self, source: Source) -> CountedImages:
        """Count all images of a file, and return what has come of them."""
        first, skipped = len(self.results), len(self.skipped)
        before = content_state(source.path)
        images: list[SlideImage] = []
        file = _waiting(source)
        with self._skipping(file, source.path):
            if fault := irregular(source.path):
                raise InputError(fault)
            options = self._batch.options
            opened = open_images(source.path, options.pixel_size_um, self._batch.z, self._batch.max_decode_mb)
            images += [image.named(source.name + image.name.removeprefix(source.path.name)) for image in opened]
        rows = [replace(file, image=image.name, number=number) for number, image in enumerate(images, start=1)]
        if len(rows) > 1:
            self._watch(tuple(rows))
        for image, row in zip(images, rows, strict=True):
            with self._skipping(row, source.path):
                self._take(source, image, before, row)
            image.release()
        return self.counted(first, skipped)

    def _take(self, source: Source, image: SlideImage, before: object, row: ImageState) -> None:
        """Count an image, or take its result from an earlier run; ``before`` is its file's state when it was opened."""
        folder, networks = self._folder, self._networks
        outputs = Outputs.of(source, image, self._batch.overlays, self._batch.masks)
        part = folder.part(source, image)
        result = folder.stored(part, outputs, source, image, networks.named, networks.outlined)
        kept = result is not None
        if result is None:
            folder.claim(outputs)
            try:
                result = self._result(source, image)
                if content_state(source.path) != before:
                    raise InputError(f"{source.path} was changed while it was read: count it again with --resume.")
                write_atomically(part, result.to_json())
            except BaseException:
                with contextlib.suppress(OutputError):
                    folder.remove(outputs.all)
                raise
        facts = result.facts | {"file": printable(str(source.path))} | outputs.facts()
        self.results.append(replace(result, specimens=(), facts=facts))
        self.outputs.append(outputs)
        self.parts.append(part)
        state = CountState.KEPT if kept else CountState.COUNTED
        self._watch((replace(row, state=state, **result_facts(self.results[-1])),))
        self.tell_skipped()

    def _result(self, source: Source, image: SlideImage) -> ImageResult:
        """Count one image and write its annotations and overlay."""
        started = time.perf_counter()
        batch, networks = self._batch, self._networks
        options = replace(batch.options, kept_only=True)
        analysis = analyse(image, networks.engine, options, self._monitor, networks.outliner)
        names = None
        if networks.namer is not None:
            names = networks.namer.name(image, analysis.kept, self._monitor).verdicts
        return write_image(batch, source, image, analysis, names, time.perf_counter() - started)

    @contextlib.contextmanager
    def _skipping(self, image: ImageState, path: Path) -> Iterator[None]:
        """Skip an image that fails, whatever it fails of; what concerns all images, or the disk, ends the run."""
        try:
            yield
        except InputError as error:
            todo = advice(path)
            self._skip(image, f"{error} {todo}" if todo else str(error))
        except DiatomError:
            raise
        except OSError as error:
            if error.errno in FULL:
                where = error.filename or "A temporary file"
                raise OutputError(f"{where} cannot be written: {reason(error)}") from error
            self._skip(image, f"{path} cannot be read: {reason(error)}")
        except MemoryError:
            self._folder.note_error(image.image)
            self._skip(image, f"{path} needs more memory than there is: close other programs, or cut the image.")
        except Exception as error:  # libraries raise errors of many kinds
            self._folder.note_error(image.image)
            words = " ".join(str(error).split())
            self._skip(
                image,
                f"{path} could not be counted because of an error in the program ({type(error).__name__}: {words}). "
                f"Please report it with the details in {self._folder.errors}.",
            )


def _waiting(source: Source) -> ImageState:
    """Return a file, as the one image that it probably is, before it is opened."""
    return ImageState(source.name, source.name, printable(str(source.path)), source.sample)


def make_room(batch: Batch) -> list[Source]:
    """Prepare a folder of results for shards of a batch, as :func:`count` does at its beginning.

    Returns
    -------
    list of Source
        The files there are to count.

    Raises
    ------
    InputError
        When there is nothing to count, or another run is writing there, or the folder holds results and neither
        ``resume`` nor ``overwrite`` says what is to become of them.
    OutputError
        When it cannot be written to.
    """
    checked_z(batch.z)
    checked_decode_mb(batch.max_decode_mb)
    sources = plan_sources(search(batch.inputs).images, batch.sample)
    folder = ResultsFolder(batch.out)
    folder.prepare(batch.resume, batch.overwrite)
    with folder.held():
        folder.begin(sources, batch.overwrite)
        folder.forget_shards()
    return list(sources)


def can_resume(out: Path) -> bool:
    """Return whether a folder holds results of images that a resumed run would take."""
    return ResultsFolder(out).can_resume()
