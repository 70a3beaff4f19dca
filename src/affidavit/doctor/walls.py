"""Look at the walls around whoever opens a document, and have a child try to climb them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from affidavit.doctor.finding import Finding, fail, judged, ok, warn
from affidavit.infra import bubblewrap, wall_status
from affidavit.infra.bubblewrap import Root, Wrapping, WrappingFailed
from affidavit.infra.identity import Identity
from affidavit.infra.sandbox import Ending, HostUnavailable
from affidavit.infra.wall_trial import Trial, try_walls

PART: Final = "walls"
REMEDIES: Final = {
    "landlock": "Run a kernel of 5.13 or later with Landlock among its security modules (lsm=landlock,...).",
    "seccomp": "Run on x86_64 or aarch64, with seccomp in the kernel.",
    "namespaces": "Allow user namespaces, or run a kernel of 6.12 or later, whose Landlock stops signals.",
}


async def examine(user: str, wrapping: Wrapping, programs: Sequence[Path]) -> list[Finding]:
    """Say which walls are live, whether bubblewrap works, and what a walled child could do all the same."""
    found = [*_live(), _wrapped(wrapping)]
    try:
        identity = Identity.named(user) if os.getuid() == 0 else None
        trials = await try_walls(identity, wrapping, programs)
    except ValueError as error:
        return [*found, fail(PART, f"user: {error}", "Set AFFIDAVIT_SANDBOX_USER.")]
    except HostUnavailable as error:
        remedy = "Install bubblewrap and let it make namespaces, or set AFFIDAVIT_SANDBOX=auto."
        return [*found, fail(PART, f"trial: the engine host does not start: {error}", remedy)]
    return [*found, *map(_tried, trials)]


def _live() -> Iterator[Finding]:
    status = {each.name: each for each in wall_status.live()}
    for name in ("landlock", "seccomp"):
        told = f"{name}: {status[name].detail}"
        yield ok(PART, told) if status[name].live else fail(PART, f"{name}: missing", REMEDIES[name])
    shut = status["namespaces"].live or status["landlock-signals"].live
    names = [each for each in ("namespaces", "landlock-signals") if status[each].live]
    told = f"other processes are out of reach by {' and '.join(names)}" if shut else "signals reach others"
    yield judged(PART, told, is_well=shut, remedy=REMEDIES["namespaces"])
    yield ok(PART, f"user: {status['user'].detail}")


def _wrapped(wrapping: Wrapping) -> Finding:
    if wrapping is Wrapping.NONE:
        return ok(PART, "bubblewrap: switched off by AFFIDAVIT_SANDBOX=none")
    if shutil.which(bubblewrap.PROGRAM) is None and wrapping is Wrapping.AUTO:
        return ok(PART, "bubblewrap: not installed; the host is not wrapped (package bubblewrap)")
    try:
        bubblewrap.prefix(Wrapping.BWRAP, Root(Path.cwd()))
    except WrappingFailed as error:
        remedy = "Allow user namespaces to this process, or set AFFIDAVIT_SANDBOX=none."
        told = f"bubblewrap: {error}"
        return fail(PART, told, remedy) if wrapping is Wrapping.BWRAP else warn(PART, told, remedy)
    return ok(PART, "bubblewrap: the host runs in a root and namespaces of its own")


def _tried(trial: Trial) -> Finding:
    if trial.is_held:
        return ok(PART, f"trial of profile {trial.profile}: everything forbidden was refused")
    if trial.ending is not Ending.FINISHED:
        return fail(PART, f"trial of profile {trial.profile}: {trial.ending}", "See the log of this command.")
    escapes = ", ".join(trial.escapes)
    return fail(PART, f"trial of profile {trial.profile}: a child could {escapes}", "Mend the walls above.")
