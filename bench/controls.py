"""Switch one guard off at a time, in a copy of the tree, and demand that a test turns red.

    python bench/controls.py [--only PART-OF-A-NAME]... [--list]

A suite that stays green without a guard does not test it. Each control is a set of edits whose text must be
found exactly once; its tests must be green before the edits and red after them. Exit status 1 when a control
survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack import scratch

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "bench", "migrations", "pyproject.toml", "alembic.ini")
SURVIVAL, START = "tests/faults/test_survival.py", "tests/isolation/test_start.py"
SECONDS = 400.0  # of the tests of one control; a guard that is missed may show by a time limit


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace a text, which the file holds exactly once."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Control:
    """A guard to switch off, and the tests that must miss it."""

    guard: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


CONTROLS = (
    Control(
        "attempt fence",
        (
            Edit("src/affidavit/jobs/transitions.py", "Task.attempt == attempt, Task.status", "Task.status"),
            Edit(
                "src/affidavit/jobs/tasks.py",
                "WHERE id = :task_id AND attempt = :attempt AND status = 'running' RETURNING id",
                "WHERE id = :task_id AND :attempt > 0 AND status = 'running' RETURNING id",
            ),
        ),
        ("tests/jobs/test_execution.py::test_a_stale_attempt_commits_nothing",),
    ),
    Control(
        "state guard",
        (
            Edit(
                "src/affidavit/jobs/transitions.py",
                ".where(which, Job.status.in_(job_sources(to)))",
                ".where(which)",
            ),
            Edit(  # the same guard once more, in the database
                "migrations/versions/0002_execution.py",
                "ON jobs FOR EACH ROW\n            WHEN (OLD.status <> NEW.status AND",
                "ON jobs FOR EACH ROW\n            WHEN (false AND",
            ),
            Edit(  # and what came of a job
                "migrations/versions/0002_execution.py",
                "WHEN (OLD.status IN ('completed', 'failed', 'canceled') AND (",
                "WHEN (false AND (",
            ),
        ),
        ("tests/jobs/test_execution.py::test_cancel_and_complete_at_once_leave_one_end",),
    ),
    Control(
        "reaper",
        (
            Edit(
                "src/affidavit/worker.py",
                "lambda: sweep.reap(db, self._shop.policy)",
                "lambda: asyncio.sleep(0)",
            ),
        ),
        ("tests/faults/test_process_faults.py::test_kill_9_of_the_worker_costs_no_page_that_was_done",),
    ),
    Control(
        "looking and ringing again",
        (
            Edit(
                "src/affidavit/worker.py",
                "async with asyncio.timeout(self._settings.poll_seconds):",
                "async with asyncio.timeout(None):",
            ),
            Edit(
                "src/affidavit/worker.py",
                "lambda: sweep.ring_due(db, self._shop.doorbell, ahead)",
                "lambda: asyncio.sleep(0)",
            ),
        ),
        ("tests/faults/test_process_faults.py::test_flushing_the_bell_loses_nothing",),
    ),
    Control(
        "deliveries in the transaction of their event",
        (Edit("migrations/versions/0003_webhooks.py", "OWE_PROGRESS, OWE_TRIGGER, ", "OWE_PROGRESS, "),),
        ("tests/webhooks/test_owing.py::test_every_move_owes_its_event_in_order",),
    ),
    Control(
        "stable webhook id",
        (
            Edit(
                "src/affidavit/webhooks/sending.py",
                "signed_headers(held.message_id, held.leased_at",
                "signed_headers(f'{held.message_id}_{held.leased_at.timestamp()}', held.leased_at",
            ),
        ),
        (f"{SURVIVAL}::test_an_answer_to_a_webhook_that_is_lost_brings_it_again_with_the_same_id",),
    ),
    Control(
        "idempotency key in the transaction",
        (
            Edit(
                "src/affidavit/jobs/acceptance.py",
                "AND ($6::text IS NULL OR EXISTS (SELECT FROM key))",
                "AND ($6::text IS NULL OR EXISTS (SELECT FROM key) OR true)",
            ),
        ),
        ("tests/jobs/test_service.py::test_fifty_submits_with_one_key_make_one_job",),
    ),
    Control(
        "the database's clock",
        (
            Edit(
                "src/affidavit/jobs/execution.py",
                "UPDATE job_tasks t SET lease_until = now() + $3,",
                "UPDATE job_tasks t SET lease_until = to_timestamp($4) + $3,",
            ),
            Edit(
                "src/affidavit/jobs/execution.py",
                "db.fetch_row(_BEAT, held.task_id, held.attempt, lease)",
                "db.fetch_row(_BEAT, held.task_id, held.attempt, lease, time.time())",
            ),
        ),
        ("tests/faults/test_process_faults.py::test_workers_whose_clocks_are_hours_apart_keep_their_leases",),
    ),
    Control(
        "blob before row",
        (
            Edit(
                "src/affidavit/jobs/reading.py",
                "stored = await self.blobs.put_bytes(self.held.environment_id, content)",
                "late = self.blobs.put_bytes(self.held.environment_id, content)\n"
                "        asyncio.get_running_loop().call_later(5, asyncio.ensure_future, late)\n"
                "        stored = sha256",
            ),
        ),
        ("tests/faults/test_process_faults.py::test_kill_9_of_the_api_right_after_the_202_loses_nothing",),
    ),
    Control(
        "wall-clock kill",
        (
            Edit(
                "src/affidavit/infra/sandbox_talk.py",
                "async with asyncio.timeout(min(walls.no_progress.total_seconds(), deadline - clock())):",
                "async with asyncio.timeout(None):",
            ),
        ),
        ("tests/infra/test_sandbox.py::test_silent_child_is_stalled",),
    ),
    Control(
        "forced row-level security",
        (
            Edit(
                "migrations/versions/0005_isolation.py",
                "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                "ENABLE ROW LEVEL SECURITY",
            ),
        ),
        (
            "tests/isolation/test_rows.py::test_every_table_of_an_environment_forces_row_level_security",
            "tests/isolation/test_start.py::test_service_login_on_a_migrated_database_has_nothing_to_mend",
        ),
    ),
    Control(
        "one denied range of addresses",
        (
            Edit(
                "src/affidavit/infra/addresses.py",
                '        ("169.254.0.0/16", "link-local, cloud metadata"),\n',
                "",
            ),
        ),
        ("tests/infra/test_addresses.py::test_address_inside_is_refused",),
    ),
)


def main() -> int:
    """Kill the controls and say how many died."""
    given = _parse()
    chosen = [each for each in CONTROLS if not given.only or any(part in each.guard for part in given.only)]
    if given.list:
        print("\n".join(f"{control.guard}: {', '.join(control.tests)}" for control in chosen))
        return 0
    with scratch() as folder:
        python = _environment(folder)
        _copy(folder / "tree")
        green, shown = _test(folder, python, [test for control in chosen for test in control.tests])
        if not green:
            print(f"{shown}\n\nThe tests are red with all guards on: nothing can be said of them.")
            return 1
        killed = [_is_killed(folder, python, control) for control in chosen]
    print(f"\nkilled {sum(killed)}/{len(killed)}")
    return 0 if all(killed) else 1


def _is_killed(folder: Path, python: Path, control: Control) -> bool:
    started = time.monotonic()
    with _without(folder / "tree", control):
        green, shown = _test(folder, python, control.tests)
    last = next(
        (line for line in shown.splitlines() if line.startswith("E  ")), "no line of an error"
    ).strip()
    verdict = "SURVIVED" if green else f"killed: {last.removeprefix('E').strip()[:150]}"
    print(f"{control.guard} ({time.monotonic() - started:.0f} s): {verdict}", flush=True)
    return not green


@contextmanager
def _without(tree: Path, control: Control) -> Iterator[None]:
    """Switch the guard off in the copy meanwhile."""
    before = {edit.path: (tree / edit.path).read_text() for edit in control.edits}
    try:
        for edit in control.edits:
            text = (tree / edit.path).read_text()
            if text.count(edit.old) != 1:
                raise SystemExit(f"{control.guard}: {edit.path} has its text {text.count(edit.old)} times")
            (tree / edit.path).write_text(text.replace(edit.old, edit.new))
        yield
    finally:
        for path, text in before.items():
            (tree / path).write_text(text)


def _test(folder: Path, python: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Run tests against the copy; tell whether all passed, and what they printed."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *dict.fromkeys(tests)],
        cwd=folder / "tree",
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS * max(1, len(tests) / 2),
        check=False,
    )
    if done.returncode not in (0, 1):  # not even collected
        raise SystemExit(f"pytest did not run:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    return done.returncode == 0, done.stdout


def _copy(tree: Path) -> None:
    tree.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)


def _environment(folder: Path) -> Path:
    """Make an environment like this one whose `affidavit` is the copy's; return its Python.

    The engine host takes no path from its environment, so the environment itself has to be another.
    Files are linked, not copied, where that can be.
    """
    made = folder / "environment"
    shutil.copytree(sys.prefix, made, symlinks=True, copy_function=_link)
    (found,) = made.glob("lib/python*/site-packages/_editable_impl_affidavit.pth")
    found.unlink()
    found.write_text(f"{folder / 'tree' / 'src'}\n")
    return made / "bin" / "python"


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="a part of a guard's name")
    parser.add_argument("--list", action="store_true", help="list guards and tests")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
