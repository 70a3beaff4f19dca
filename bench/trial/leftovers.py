"""Find what dead processes left behind: others that they had started, and the folders of documents."""

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
    own = {role.process.pid for role in site.roles.values() if role.process and role.is_running}
    for folder in (site.data / "scratch").iterdir():
        found = OWNER.search(folder.name)
        if found is None or folder.name.startswith("."):
            continue
        if int(found[1]) not in own:
            yield f"{folder.name} in scratch, of a process that is dead"
            continue
        for left in folder.iterdir():
            if left.name != "host":
                yield f"{left.name} in the scratch folder {folder.name}"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:100]
    except psutil.Error:
        return "gone"
