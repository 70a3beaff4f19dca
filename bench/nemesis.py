"""Break an installation again and again while clients use it, then judge what is left of its promises.

    python bench/nemesis.py [--faults 200] [--jobs 2000] [--seed 1] [--lease 4] [--only KIND]...
    python bench/nemesis.py --recovery [--samples 40] [--rounds 10]

Everything is real and on loopback: Postgres, Valkey, two API processes, three workers, clients, a receiver of
webhooks. Faults come one after another from a seeded list; the order is the same for a seed, the moments are
not. Exit status 1 when any invariant is broken. With --recovery: how long recovery takes at the times of
production; exit status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from figures import machine
from stack import scratch
from trial import audit, bundles, documents, faults
from trial.database import rows, with_connection
from trial.faults import Fault
from trial.installation import Installation, Times
from trial.judgement import Evidence, judge
from trial.leftovers import leftovers
from trial.poisoner import Poisoner
from trial.receiver import Receiver
from trial.recovery import Recovery
from trial.references import submit_all
from trial.report import Injected, Report
from trial.timings import Timings
from trial.workload import Workload

ENVIRONMENTS = 8  # pages are reused within one, so each document is read anew in each
LOAD_SECONDS = 4.0
QUIET_SECONDS = 180.0  # for all jobs to end when the faults are over


def main() -> int:
    """Run what was asked for."""
    given = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # so that all is cleaned up
    print(f"{machine()}\n{' '.join(['python bench/nemesis.py', *sys.argv[1:]])}", flush=True)
    return measure_recovery(given) if given.recovery else run(given)


def measure_recovery(given: argparse.Namespace) -> int:
    """Time recoveries on an installation with the default times."""
    with (
        scratch() as folder,
        Installation(folder, Times(), apis=1, workers=given.workers, settings=SETTINGS) as site,
    ):
        timings = Timings(site, site.run("keys", "create"), given.seed)
        return 0 if timings.report(given.samples, given.rounds) else 1


def run(given: argparse.Namespace) -> int:
    """Inject all faults, then judge."""
    with scratch() as folder, ExitStack() as stack:
        receiver = stack.enter_context(Receiver(given.seed))
        site = stack.enter_context(
            Installation(
                folder,
                Times.scaled(given.lease),
                apis=given.apis,
                workers=given.workers,
                settings=SETTINGS,
            )
        )
        try:
            return Run(given, site, receiver).through()
        finally:
            if given.keep:
                shutil.copytree(folder / "logs", given.keep, dirs_exist_ok=True)


SETTINGS: dict[str, object] = {
    "webhook_allowed_networks": "127.0.0.0/8",
    "webhook_allow_http": "true",
    "webhook_timeout_seconds": 3,
    "drain_seconds": 3,
    "webhook_schedule_scale": 0.01,  # ten attempts over 45 min instead of 75 h
}


class Run:
    """One run over an installation that is up."""

    def __init__(self, given: argparse.Namespace, site: Installation, receiver: Receiver) -> None:
        self._given = given
        self._site = site
        self._receiver = receiver
        self._rng = Random(f"nemesis {given.seed}")
        self._injected: list[Injected] = []

    def through(self) -> int:
        """Set up, inject all faults, wait for quiet, judge, report."""
        given, site = self._given, self._site
        samples = documents.make(max(len(documents.Sort), given.jobs // ENVIRONMENTS), given.seed)
        keys = [site.run("keys", "create", "--environment", f"env-{n}") for n in range(ENVIRONMENTS)]
        named = {
            row["name"]: row["id"] for row in rows(site.database_url, "SELECT id, name FROM environments")
        }
        by_environment = {named[f"env-{n}"]: key for n, key in enumerate(keys)}
        environments = list(named.values())
        with_connection(site.database_url, audit.install)
        urls = [f"http://127.0.0.1:{role.port}" for role in site.apis]
        workload = Workload(urls, keys, samples, given.seed, self._receiver.address)
        started = time.monotonic()
        with Poisoner(site, [sample for sample in samples if sample.sort is documents.Sort.POISON]):
            workload.start()
            self._inject_all(workload)
            site.heal()
            workload.finish()
            self._receiver.is_patient = True
            unfinished = self._await_quiet()
        seconds = time.monotonic() - started
        references = submit_all(site, samples, lambda: not self._unfinished())
        evidence = Evidence(site, workload.ledger, references, self._receiver, environments)
        unfinished += self._await_quiet()  # the bundles of the references go into the log as well
        judgement = with_connection(site.database_url, lambda connection: judge(connection, evidence))
        with_connection(
            site.database_url,
            lambda connection: bundles.judge(connection, judgement, urls[0], by_environment),
        )
        if unfinished:
            judgement.against("every job ends", f"{unfinished} rows were not done in {QUIET_SECONDS:.0f} s")
        time.sleep(2 * site.times.lease)
        for left in leftovers(site):
            judgement.against("no orphans", left)
        report = Report(
            self._injected,
            judgement,
            workload.ledger.answers,
            self._receiver.manners,
            seconds,
            given.seed,
        )
        report.show()
        if given.json is not None:
            report.write(given.json)
        return 0 if judgement.is_clean else 1

    def _inject_all(self, workload: Workload) -> None:
        plan = faults.schedule(self._site, self._given.faults, self._rng, self._given.only)
        for number, fault in enumerate(plan, start=1):
            workload.allow(round(workload.size * (number + 0.5) / len(plan)))
            time.sleep(self._rng.uniform(0.0, 0.5))
            self._await_load()
            self._injected.append(self._inject(fault))
            print(f"{number:4d}/{len(plan)} {self._injected[-1]}", flush=True)

    def _await_load(self) -> None:
        """Wait until there is work that a fault can hit, but not for long."""
        give_up = time.monotonic() + LOAD_SECONDS
        while len(self._site.busy_workers()) < 2 and time.monotonic() < give_up:
            time.sleep(0.05)

    def _inject(self, fault: Fault) -> Injected:
        """Inject one fault, mend what it broke, and time how long anything was amiss."""
        with Recovery(self._site.database_url) as recovery:
            self._site.hit = recovery.begin
            fault.inject(self._site, self._rng)
            self._site.heal()
            seconds = recovery.wait()
        return Injected(fault.name, seconds, was_idle=recovery.was_idle)

    def _await_quiet(self) -> int:
        """Wait until every job and delivery has ended; return how many had not."""
        give_up = time.monotonic() + QUIET_SECONDS
        while (left := self._unfinished()) and time.monotonic() < give_up:
            time.sleep(0.5)
        return left

    def _unfinished(self) -> int:
        return int(rows(self._site.database_url, UNFINISHED)[0]["n"])


UNFINISHED = """
SELECT (SELECT count(*) FROM jobs WHERE status NOT IN ('completed', 'failed', 'canceled'))
    + (SELECT count(*) FROM job_tasks WHERE status IN ('queued', 'running'))
    + (SELECT count(*) FROM webhook_deliveries WHERE status = 'pending')
    + (SELECT count(*) FROM bundles WHERE log_index IS NULL) AS n
"""


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2000, help="about so many; batches count by their items")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", type=float, default=4.0, help="seconds; beat and reap in proportion")
    parser.add_argument("--recovery", action="store_true", help="time recoveries instead")
    parser.add_argument("--samples", type=int, default=40, help="idle starts that are timed")
    parser.add_argument("--rounds", type=int, default=10, help="times that each other recovery is timed")
    parser.add_argument("--apis", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument(
        "--only", action="append", default=[], help="a part of a fault's name; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="write the report there too")
    parser.add_argument("--keep", type=Path, help="copy the logs there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
