"""Fill a JSON Schema from a document by rules: typed values, labels, geometry and sums; no model.

Every value comes with the words that it was read from. What nothing speaks for stays null.
"""

from affidavit.engine.stages.fields.extraction import Extraction, extract
from affidavit.engine.stages.fields.plans import labels_of_concepts
from affidavit.engine.stages.fields.towns import country_code
from affidavit.engine.stages.values.dates import months

__all__ = ["Extraction", "extract", "warm_up"]


def warm_up() -> None:
    """Load the tables of labels, months and countries, about 0.3 s, once before processes are forked."""
    labels_of_concepts()
    months()
    country_code("")
