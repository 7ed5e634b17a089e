"""The child process of a training: ``python -m diatom_training.finetune FOLDER``."""

import os
import sys
from pathlib import Path

from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.training_run import work

if __name__ == "__main__":
    if hasattr(os, "nice"):
        # Whoever watches it comes first on a machine with few cores.
        os.nice(5)
    sys.exit(work(RunFolder.open(Path(sys.argv[1]))))
