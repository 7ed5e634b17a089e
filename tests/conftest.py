"""Keeps tests out of the user's own folders and away from the network."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# How fast a test runs on a busy machine says nothing of the program.
# The same examples every time: whether a change is taken must not depend on luck.
settings.register_profile("napari-diatom", deadline=None, derandomize=True)
settings.load_profile("napari-diatom")

HOME = Path(tempfile.mkdtemp(prefix="napari-diatom-tests-"))
for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[variable] = str(HOME / variable.lower())
os.environ.setdefault("QT_API", "pyqt6")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the window's tests last: torch's compiler crashes when it is loaded after the LLVM of Mesa's OpenGL."""
    items.sort(key=lambda item: "widgets" in item.path.parts)
