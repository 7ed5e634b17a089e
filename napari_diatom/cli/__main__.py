"""``python -m napari_diatom.cli``."""

import sys

from napari_diatom.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
