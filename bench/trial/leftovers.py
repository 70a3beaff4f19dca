"""Find what dead workers left behind: processes, and the folders of documents."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psutil

from trial.installation import Installation

OWNER = re.compile(r"-(\d+)(-[0-9a-f]{8})?$")  # the process that a scratch folder belongs to


def leftovers(site: Installation) -> Iterator[str]:
    """Name everything that belongs to nobody; call it when nothing is being read."""
    for process in site.leftovers():
        yield f"process {process.pid} {_command(process)}"
    own = {role.process.pid for role in site.workers if role.process}
    for folder in (site.data / "scratch").iterdir():
        found = OWNER.search(folder.name)
        if found is None or folder.name.startswith("."):
            continue
        if int(found[1]) not in own:
            yield f"{folder.name} in scratch"
            continue
        for left in folder.iterdir():
            if left.name != "host":
                yield f"{left.name} in the scratch folder of a worker"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:100]
    except psutil.Error:
        return "gone"
