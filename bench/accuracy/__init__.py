"""The parts of the bench of accuracy: truth, copies, reading, scoring, grounding, peers and the report."""

import tempfile
from pathlib import Path

CACHE = Path(tempfile.gettempdir()) / "affidavit-accuracy"  # what was read, where no folder is given
