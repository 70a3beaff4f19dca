"""Fill a JSON Schema from a document by rules: typed values, labels, geometry and sums; no model.

Every value comes with the words that it was read from. What nothing speaks for stays null.
"""

from affidavit.engine.stages.fields.extraction import Extraction, extract

__all__ = ["Extraction", "extract"]
