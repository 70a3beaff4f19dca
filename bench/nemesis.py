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
import asyncio
import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from random import Random

import asyncpg
import httpx
import psutil
from figures import machine, percentile
from stack import scratch
from trial import audit, documents, faults
from trial.faults import Fault
from trial.installation import Installation, Times
from trial.judgement import Evidence, Judgement, judge
from trial.poisoner import Poisoner
from trial.receiver import Receiver
from trial.recovery import Recovery
from trial.timings import Timings
from trial.workload import Workload

ENVIRONMENTS = 8  # pages are reused within one, so each document is read anew in each
LOAD_SECONDS = 4.0
QUIET_SECONDS = 180.0  # for all jobs to end when the faults are over
REFERENCE_SECONDS = 900.0
MOST_SHOWN = 20


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


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected; `seconds` is None when it was not over within a minute."""

    name: str
    seconds: float | None
    was_idle: bool

    def __str__(self) -> str:
        took = "not within a minute" if self.seconds is None else f"{self.seconds:.1f} s"
        return f"{self.name}: {took}{', nothing ran' if self.was_idle else ''}"


class Run:
    """One run over an installation that is up."""

    def __init__(self, given: argparse.Namespace, site: Installation, receiver: Receiver) -> None:
        self._given = given
        self._site = site
        self._receiver = receiver
        self._rng = Random(f"nemesis {given.seed}")
        self._recoveries: list[Injected] = []

    def through(self) -> int:
        """Set up, inject all faults, wait for quiet, judge, report."""
        given, site = self._given, self._site
        samples = documents.make(max(len(documents.Sort), given.jobs // ENVIRONMENTS), given.seed)
        keys = [site.run("keys", "create", "--environment", f"env-{n}") for n in range(ENVIRONMENTS)]
        asyncio.run(self._witness())
        workload = Workload(
            [f"http://127.0.0.1:{role.port}" for role in site.apis],
            keys,
            samples,
            given.seed,
            self._receiver.address,
        )
        started = time.monotonic()
        with Poisoner(site, [sample for sample in samples if sample.sort is documents.Sort.POISON]):
            workload.start()
            self._inject_all(workload)
            site.heal()
            workload.finish()
            self._receiver.is_patient = True
            unfinished = self._await_quiet()
        seconds = time.monotonic() - started
        references = self._references(samples)
        judgement = asyncio.run(self._judge(workload, references))
        if unfinished:
            judgement.against("every job ends", f"{unfinished} rows were not done in {QUIET_SECONDS:.0f} s")
        self._judge_leftovers(judgement)
        return self._report(judgement, workload, seconds)

    def _inject_all(self, workload: Workload) -> None:
        plan = faults.schedule(self._site, self._given.faults, self._rng, self._given.only)
        for number, fault in enumerate(plan, start=1):
            workload.allow(round(workload.size * (number + 0.5) / len(plan)))
            time.sleep(self._rng.uniform(0.0, 0.5))
            self._await_load()
            self._recoveries.append(self._inject(fault))
            print(f"{number:4d}/{len(plan)} {self._recoveries[-1]}", flush=True)

    def _await_load(self) -> None:
        """Wait until there is work that a fault can hit, but not for long."""
        give_up = time.monotonic() + LOAD_SECONDS
        while len(self._site.busy_workers()) < 2 and time.monotonic() < give_up:
            time.sleep(0.05)

    def _inject(self, fault: Fault) -> Injected:
        """Inject one fault, mend what it broke, and time how long anything was amiss."""
        with Recovery(self._site.database_url) as recovery:
            fault.inject(self._site, self._rng)
            self._site.heal()
            seconds = recovery.wait()
        return Injected(fault.name, seconds, was_idle=recovery.was_idle)

    def _await_quiet(self) -> int:
        """Wait until every job and delivery has ended; return how many had not."""
        give_up = time.monotonic() + QUIET_SECONDS
        while (left := asyncio.run(self._unfinished())) and time.monotonic() < give_up:
            time.sleep(0.5)
        return left

    async def _witness(self) -> None:
        connection = await asyncpg.connect(self._site.database_url)
        try:
            await audit.install(connection)
        finally:
            await connection.close()

    async def _unfinished(self) -> int:
        connection = await asyncpg.connect(self._site.database_url)
        try:
            return int(await connection.fetchval(UNFINISHED))
        finally:
            await connection.close()

    def _references(self, samples: Sequence[documents.Sample]) -> dict[int, asyncpg.Record]:
        """Run each document once more in an environment of its own, without faults; return the ends."""
        key = self._site.run("keys", "create", "--environment", "reference")
        url = f"http://127.0.0.1:{self._site.apis[0].port}"
        ids: dict[str, int] = {}
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False
        ) as client:
            for sample in samples:
                answer = client.post(
                    "/v1/parse",
                    data={"options": sample.options},
                    files={"file": (f"{sample.number}.pdf", sample.data)},
                    timeout=60,
                )
                while answer.status_code in (429, 503):
                    time.sleep(1)
                    answer = client.post(
                        "/v1/parse",
                        data={"options": sample.options},
                        files={"file": (f"{sample.number}.pdf", sample.data)},
                        timeout=60,
                    )
                ids[answer.raise_for_status().json()["id"]] = sample.number
        give_up = time.monotonic() + REFERENCE_SECONDS
        while asyncio.run(self._unfinished()):
            if time.monotonic() > give_up:
                raise SystemExit("the fault-free references did not end")
            time.sleep(0.5)
        return {ids[row["id"]]: row for row in asyncio.run(self._rows(list(ids)))}

    async def _rows(self, ids: list[str]) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._site.database_url)
        try:
            return await connection.fetch(
                "SELECT id, status, result_sha256, error->>'code' AS code FROM jobs WHERE id = ANY($1)", ids
            )
        finally:
            await connection.close()

    async def _judge(self, workload: Workload, references: dict[int, asyncpg.Record]) -> Judgement:
        connection = await asyncpg.connect(self._site.database_url)
        try:
            environments = await connection.fetch("SELECT id FROM environments WHERE name LIKE 'env-%'")
            return await judge(
                connection,
                Evidence(
                    self._site,
                    workload.ledger,
                    references,
                    self._receiver,
                    [row["id"] for row in environments],
                ),
            )
        finally:
            await connection.close()

    def _judge_leftovers(self, judgement: Judgement) -> None:
        """Nothing of a dead worker may be left two leases after the last fault."""
        time.sleep(2 * self._site.times.lease)
        for process in self._site.leftovers():
            judgement.against("no orphans", f"process {process.pid} {_command(process)}")
        own = {role.process.pid for role in self._site.workers if role.process}
        for folder in (self._site.data / "scratch").iterdir():
            found = OWNER.search(folder.name)
            if found is None or folder.name.startswith("."):
                continue
            if int(found[1]) not in own:
                judgement.against("no orphans", f"{folder.name} in scratch")
                continue
            for left in folder.iterdir():
                if left.name != "host":
                    judgement.against("no orphans", f"{left.name} in the scratch folder of a worker")

    def _report(self, judgement: Judgement, workload: Workload, seconds: float) -> int:
        kinds: dict[str, list[Injected]] = {}
        for each in self._recoveries:
            kinds.setdefault(each.name, []).append(each)
        print(
            f"\n{len(self._recoveries)} faults of {len(kinds)} kinds in {seconds:.0f} s, "
            f"seed {self._given.seed}\n\n"
            "| fault | times | of them while tasks ran | recovery p50 s | p99 s | max s |\n"
            "| --- | --: | --: | --: | --: | --: |"
        )
        for name, injected in sorted(kinds.items()):
            print(_row(name, injected))
        print("\n" + "\n".join(f"{name}: {n}" for name, n in sorted(judgement.counts.items())))
        print("answers: " + ", ".join(f"{n} x {what}" for what, n in workload.ledger.answers.most_common()))
        print("receiver: " + ", ".join(f"{n} x {what}" for what, n in self._receiver.manners.most_common()))
        for invariant, texts in filter(lambda broken: broken[1], judgement.violations.items()):
            print(f"\n{invariant}: {len(texts)} violations")
            print("\n".join(f"  {text}" for text in texts[:MOST_SHOWN]))
        print("\nNo invariant was broken." if judgement.is_clean else "\nBROKEN.")
        self._write_json(judgement, seconds)
        return 0 if judgement.is_clean else 1

    def _write_json(self, judgement: Judgement, seconds: float) -> None:
        if self._given.json is None:
            return
        report = {
            "machine": machine(),
            "command": sys.argv,
            "seconds": seconds,
            "faults": [asdict(each) for each in self._recoveries],
            "counts": judgement.counts,
            "violations": {name: texts for name, texts in judgement.violations.items() if texts},
        }
        self._given.json.write_text(json.dumps(report, indent=1, default=str))


UNFINISHED = """
SELECT (SELECT count(*) FROM jobs WHERE status NOT IN ('completed', 'failed', 'canceled'))
    + (SELECT count(*) FROM job_tasks WHERE status IN ('queued', 'running'))
    + (SELECT count(*) FROM webhook_deliveries WHERE status = 'pending')
"""


OWNER = re.compile(r"-(\d+)(-[0-9a-f]{8})?$")  # the process that a scratch folder belongs to


def _row(name: str, injected: Sequence[Injected]) -> str:
    took = [inf if each.seconds is None else each.seconds for each in injected if not each.was_idle]
    figures = [percentile(took, 0.5), percentile(took, 0.99), max(took)] if took else []
    shown = " | ".join(f"{figure:.1f}" for figure in figures) or "- | - | -"
    return f"| {name} | {len(injected)} | {len(took)} | {shown} |"


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:100]
    except psutil.Error:
        return "gone"


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
