"""Readers of images behind one port, and the choice among them.

Listing and choosing load no model and import no runtime; `warming.warm_up` does, before a fork.
"""

from affidavit.engine.ocr.choice import (
    EngineStatus,
    available,
    choose,
    programs,
    reader_programs,
    reading_paths,
)
from affidavit.engine.ocr.orientation import upright

__all__ = ["EngineStatus", "available", "choose", "programs", "reader_programs", "reading_paths", "upright"]
