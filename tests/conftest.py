"""Keeps tests out of the user's own folders and away from the network."""

import os
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="napari-diatom-tests-"))
for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[variable] = str(HOME / variable.lower())
os.environ.setdefault("QT_API", "pyqt6")
