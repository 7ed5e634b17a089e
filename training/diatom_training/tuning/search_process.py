"""A search in a process of its own, which ends with the program that started it."""

from __future__ import annotations

from diatom_training.tuning.search_folder import SearchFolder
from diatom_training.tuning.search_results import SearchResults
from napari_diatom.core.process_call import call_in_process
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor


def search_in_process(folder: SearchFolder, monitor: ProgressMonitor = UNWATCHED) -> SearchResults:
    """Do the trials of a search that are missing in another process.

    Raises
    ------
    Stopped
        When a stop was asked for; the trials that have ended are kept.
    DiatomError
        As :func:`diatom_training.tuning.search_run.run_search`.
    """
    results: SearchResults = call_in_process(
        "diatom_training.tuning.search_run:run_search", monitor, path=folder.path.absolute()
    )
    return results
