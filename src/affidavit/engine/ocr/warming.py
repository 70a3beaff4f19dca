"""Load every model that is installed, once, in the process that will fork the readers."""

from __future__ import annotations

from affidavit.engine.errors import OcrUnavailable
from affidavit.engine.ocr import orientation
from affidavit.engine.ocr.choice import available, choose
from affidavit.engine.spec import OcrEngineName, OcrOptions


def warm_up() -> list[str]:
    """Load the models of what is installed and return the names of the engines that are ready.

    Starts no thread, provided that `neural.ENVIRONMENT` was set before numpy was imported. An
    engine that cannot be loaded is left out: asking for it says why.
    """
    ready: list[str] = []
    for status in available():
        if not status.available:
            continue
        options = OcrOptions(engine=OcrEngineName(status.name), languages=status.languages[:1])
        try:
            choose(options).warm_up()
        except OcrUnavailable:
            continue
        ready.append(status.name)
    if orientation.is_available():
        orientation.warm_up()
        ready.append(orientation.ENGINE)
    return ready
