"""What a bug report says of this installation."""

from __future__ import annotations


def show_versions() -> None:
    """Print versions, devices, models, folders, notes and problems with their remedies, as ``napari-diatom doctor``.

    Paste it into a bug report.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.show_versions()  # doctest: +SKIP
    """
    from napari_diatom.diagnostics.checkup import examine

    print(examine().text())
