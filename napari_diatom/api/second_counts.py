"""Two persons' counts of the same fields, as ``napari-diatom project second-count`` and ``tally --second-count`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_diatom.api.inputs import AnyPath, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.text import quoted
from napari_diatom.samples import count_comparison, second_count
from napari_diatom.samples.count_agreement import CountAgreement
from napari_diatom.samples.protocol_presets import protocol_of


def start_second_count(
    project: AnyPath,
    folder: AnyPath,
    person: str,
    *,
    samples: Sequence[str] | str = (),
    all_fields: bool = False,
    report: Report = silent,
) -> Path:
    """Make a project in which another person counts the same fields, without seeing the first count.

    Parameters
    ----------
    project : path
        The project of the first count, in which nothing changes.
    folder : path
        Folder of the new project.
    person : str
        Who counts in it.
    samples : sequence of str
        Codes of the samples to count again; all by default.
    all_fields : bool
        Whether to take fields, too, that are not confirmed in the first count.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    Path
        The folder of the new project.

    Raises
    ------
    InputError
        When there is no such sample, no field to count, the person worked on one of the fields in the first count, or
        the folder is not free. Nothing is written then.
    OutputError
        When the folder cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.start_second_count("season", "season-ben", "Ben", samples="R1")  # doctest: +SKIP
    """
    if not isinstance(person, str):
        raise InputError(f"person is {quoted(person)}; give a name.")
    codes = [samples] if isinstance(samples, str) else list(samples)
    out = given_path(folder, "folder")
    monitor = progress_monitor(report)
    second_count.start_second_count(given_path(project, "project"), out, person, codes, all_fields, monitor)
    return out


def compare_counts(
    first: AnyPath, second: AnyPath, protocol: AnyPath | None = None, *, report: Report = silent
) -> CountAgreement:
    """Compare two persons' counts of the same fields, as ``napari-diatom tally --second-count`` does.

    Parameters
    ----------
    first, second : path
        The projects of both counts. Their images are the same files.
    protocol : str or path, optional
        A preset or a ``protocol.yaml``; by default that of the first project. Both are counted by it.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    CountAgreement
        ``by_sample()`` yields Bray-Curtis, kappa and who saw how many; ``seen`` has each specimen, ``mixed_up()`` the
        names that differ, and ``remarks`` what to know of the comparison.

    Raises
    ------
    InputError
        When one is no project, they have no image or no taxon in common, or no field was confirmed in both.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> [one.kappa for one in nd.compare_counts("season", "season-ben").by_sample()]  # doctest: +SKIP
    """
    rules = None if protocol is None else protocol_of(str(given_path(protocol, "protocol")))
    monitor = progress_monitor(report)
    return count_comparison.compare_counts(
        given_path(first, "first"), given_path(second, "second"), rules, monitor=monitor
    )
