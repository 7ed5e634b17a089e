"""An evaluation in plain words, for those who count diatoms and not pixels."""

from __future__ import annotations

from diatom_training.evaluation.evaluation import Evaluation, Outlining
from diatom_training.metrics.bootstrap import Interval
from diatom_training.metrics.class_map_figures import MapFigures
from diatom_training.metrics.detection_figures import DetectionFigures
from diatom_training.metrics.naming_figures import NamingFigures
from napari_diatom.core.proportions import FEWEST
from napari_diatom.core.text import many


def summary(evaluation: Evaluation) -> list[str]:
    """Return what an evaluation comes to, a few sentences to a line."""
    lines = []
    if evaluation.detection:
        lines += _found(evaluation, evaluation.detection)
    if evaluation.maps:
        lines.append(_mapped(evaluation.maps))
    if evaluation.naming:
        lines.append(_named(evaluation, evaluation.naming))
    if evaluation.outlining:
        lines += _outlined(evaluation, evaluation.outlining)
    return lines


def format_figure(value: float, digits: int = 3) -> str:
    """Return a figure as text, a dash for NaN."""
    return "-" if value != value else f"{value:.{digits}f}"


def percent(value: float) -> str:
    """Return a share in percent."""
    return "-" if value != value else f"{100 * value:.1f} %"


def span(interval: Interval) -> str:
    """Return an interval as text."""
    return "-" if interval.low != interval.low else f"{interval.low:.3f} to {interval.high:.3f}"


def amount(interval: Interval) -> str:
    """Return how many specimens or finds a figure is of, and whether these are too few."""
    if interval.of is None:
        return "-"
    return f"{interval.of:,}{': too few to tell' if interval.of < FEWEST else ''}"


def _found(evaluation: Evaluation, figures: DetectionFigures) -> list[str]:
    """Return the lines of a model that finds specimens."""
    overall, unit = figures.overall, evaluation.units.kind.removesuffix("s")
    where = many(figures.images, "image")
    if evaluation.units.kind == "slides":
        where += f" of {many(len(evaluation.units), 'slide')}"
    recall = evaluation.intervals["recall"]
    sure = f" (between {percent(recall.low)} and {percent(recall.high)})" if recall.low == recall.low else ""
    lines = [
        f"{evaluation.about.title} was tested on {where}, with {many(overall.specimens, 'specimen')}. It found "
        f"{overall.right:,} of them: {percent(overall.recall)}{sure}."
    ]
    if overall.found:
        wrong = overall.found - overall.right
        lines[0] += (
            f" Of its {many(overall.found, 'detection')}, {wrong:,} ({percent(wrong / overall.found)}) are wrong."
        )
    if len(figures.names.every) > 1 and overall.right:
        right = int(figures.confusion.diagonal()[1:].sum())
        lines.append(f"Of the specimens that it found, {percent(right / overall.right)} have the right name.")
    count = f"The count of {'a slide' if unit == 'slide' else 'an image'} is off by {figures.count_error:.1f}"
    count += f" on average ({percent(figures.relative_count_error)} of the mean count)"
    bias = f"; overall it is too high by {figures.count_bias:.1f}" if figures.count_bias > 0 else ""
    if figures.count_bias < 0:
        bias = f"; overall it is too low by {-figures.count_bias:.1f}"
    lines.append(f"{count}{bias}.")
    for sizes in figures.sizes:
        if sizes.side == "length" and len(sizes.truth):
            way = "long" if sizes.bias > 0 else "short"
            lines.append(
                f"Half of the lengths are correct to within {_size(sizes.median_error)} {sizes.unit} "
                f"({percent(sizes.relative_error)}), 95 % to within {_size(sizes.most_error)} {sizes.unit}; on average "
                f"they are {_size(abs(sizes.bias))} {sizes.unit} too {way}."
            )
    return lines


def _size(value: float) -> str:
    """Return a length with as many digits as say something."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _mapped(maps: MapFigures) -> str:
    """Return the line of class maps."""
    return (
        f"Pixel by pixel, {percent(maps.pixel_accuracy)} are right. Of the pixels that are diatom in the annotations "
        f"or in the map, {percent(maps.iou)} are diatom in both."
    )


def _named(evaluation: Evaluation, naming: NamingFigures) -> str:
    """Return the line of a model that names cut-outs."""
    accuracy = evaluation.intervals["accuracy"]
    sure = f" (between {percent(accuracy.low)} and {percent(accuracy.high)})" if accuracy.low == accuracy.low else ""
    line = (
        f"{evaluation.about.title} named {many(naming.specimens, 'specimen')}, {percent(naming.accuracy)} of them "
        f"correctly{sure}."
    )
    if naming.top3 == naming.top3:
        line += f" In {percent(naming.top3)} of the cases the right name is among the three most probable."
    return line


def _outlined(evaluation: Evaluation, outlining: Outlining) -> list[str]:
    """Return the lines of a model that outlines specimens in boxes."""
    values = {name: interval.value for name, interval in evaluation.intervals.items()}
    where = many(evaluation.images, "image")
    if evaluation.units.kind == "slides":
        where += f" of {many(len(evaluation.units), 'slide')}"
    lines = [
        f"{evaluation.about.title} was tested on {where}, with {many(outlining.specimens, 'outlined specimen')}. In "
        f"boxes as inexact as a detector's, its outlines have a mean Dice of {values['outline_dice']:.2f} (IoU "
        f"{values['outline_iou']:.2f}); in the true boxes, {values['true_box_outline_dice']:.2f}.",
        f"{percent(values['flagged'])} of the outlines are flagged because they contradict their boxes.",
    ]
    if values["boundary_error_px"] == values["boundary_error_px"]:
        lines[0] += f" Their edges are {values['boundary_error_px']:.1f} pixels off on average."
    if values["length_error"] == values["length_error"]:
        lines.append(
            f"Half of the lengths are correct to within {percent(values['length_error'])} once a box is refined by its "
            f"outline, and to within {percent(values['box_length_error'])} before; of the widths, to within "
            f"{percent(values['width_error'])} and {percent(values['box_width_error'])}."
        )
    return lines
