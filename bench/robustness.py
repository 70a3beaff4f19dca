"""Submit every document of damaged, encrypted and hostile sets to a real stack, and judge how each ends.

    python bench/robustness.py FOLDER... [--task-seconds 120] [--list]

A folder has `truth.jsonl`: one JSON object a line with `file` (relative to the folder) and, where known,
`password`, and `probe_class` or `expected_behaviour` to group by. The exit status is 1 when a document hangs,
a job ends without a documented code, anything answers with 5xx, or a process dies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from stack import Running, running

ENDED = frozenset({"completed", "failed", "canceled", "review_required"})
IN_FLIGHT = 8  # documents submitted and not yet ended
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One document, what group it belongs to, and its password where one is known."""

    path: Path
    group: str
    password: str | None


@dataclass(frozen=True, slots=True)
class End:
    """How a case ended: `outcome` is a status, with the code of a failure or a refusal."""

    case: Case
    outcome: str
    code: str | None
    is_documented: bool
    status: int
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """The closed lists of the API's own description: of refusals, and of the errors of jobs."""

    refusals: frozenset[str]
    failures: frozenset[str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Codes:
        """Read them from /openapi.json."""
        schemas = document["components"]["schemas"]
        return cls(_codes(schemas["Problem"]), _codes(schemas["JobError"]))


def _codes(schema: dict[str, Any]) -> frozenset[str]:
    return frozenset(schema["properties"]["code"]["enum"])


def main() -> int:
    """Run all cases, print the table, and return 1 when something is as it must not be."""
    given = _parse()
    cases = [case for folder in given.folders for case in read_cases(folder)]
    settings = {
        "task_total_seconds": given.task_seconds,
        "task_no_progress_seconds": given.task_seconds / 2,
        "poll_limit_per_second": 1000,
    }
    with running(workers=1, **settings) as stack, stack.client() as client:
        ends = Course(client, patience_seconds=given.task_seconds * 3).run(cases)
        wrong = [*violations(ends), *_deaths(stack, client)]
    print(table(ends))
    slowest = max(ends, key=lambda end: end.seconds)
    print(f"\n{len(ends)} documents; the slowest took {slowest.seconds:.1f} s: {slowest.case.path.name}")
    if given.list:
        print("\n".join(_line(end) for end in ends if end.outcome != "completed"))
    print("\n".join(["", *wrong]) if wrong else "no violation")
    return 1 if wrong else 0


def read_cases(folder: Path) -> list[Case]:
    """Return the documents of a set in its order."""
    lines = (folder / "truth.jsonl").read_text().splitlines()
    return [_case(folder, json.loads(line)) for line in lines if line.strip()]


def _case(folder: Path, truth: dict[str, Any]) -> Case:
    password = truth.get("password") or None
    group = truth.get("probe_class") or truth.get("expected_behaviour")
    if group is None:
        group = "with its password" if password else "opens without a password"
    return Case(folder / truth["file"], f"{folder.name}: {group.partition(';')[0]}", password)


class Course:
    """Sends cases to a stack, a few at a time, and follows each to its end."""

    def __init__(self, client: httpx.Client, patience_seconds: float) -> None:
        self._client = client
        self._patience = patience_seconds
        self._codes = Codes.of(client.get("/openapi.json").raise_for_status().json())
        self._open: dict[str, tuple[Case, float]] = {}

    def run(self, cases: Sequence[Case]) -> list[End]:
        """Return the end of each case, in the order of their ends."""
        waiting = list(reversed(cases))
        ends: list[End] = []
        while waiting or self._open:
            while waiting and len(self._open) < IN_FLIGHT:
                ends += self._submit(waiting.pop())
            ends += self._look()
            time.sleep(POLL_SECONDS)
        return ends

    def _submit(self, case: Case) -> Iterator[End]:
        """Submit a case; yields its end when it was refused at the door."""
        options = {"password": case.password} if case.password else {}
        started = time.monotonic()
        answer = self._client.post(
            "/v1/parse",
            files={"file": (case.path.name, case.path.read_bytes())},
            data={"options": json.dumps(options)},
        )
        if answer.status_code == 202:
            self._open[answer.json()["id"]] = (case, started)
            return
        seconds = time.monotonic() - started
        problem = _problem(answer)
        code = problem.get("code")
        known = code in self._codes.refusals
        detail = problem.get("detail", "")
        yield End(case, "refused", code, known, answer.status_code, seconds, detail)

    def _look(self) -> Iterator[End]:
        for job_id, (case, started) in list(self._open.items()):
            answer = self._client.get(f"/v1/jobs/{job_id}")
            seconds = time.monotonic() - started
            job = answer.json() if answer.is_success else {"status": "unknown"}
            if answer.is_success and job["status"] not in ENDED and seconds < self._patience:
                continue
            del self._open[job_id]
            yield self._end(case, job, answer.status_code, seconds)

    def _end(self, case: Case, job: dict[str, Any], status: int, seconds: float) -> End:
        if job["status"] == "completed":
            result = self._client.get(f"/v1/jobs/{job['id']}/result")
            return End(case, "completed", None, result.is_success, result.status_code, seconds)
        if job["status"] == "failed":
            error = job["error"]
            known = error["code"] in self._codes.failures
            return End(case, "failed", error["code"], known, status, seconds, error["message"])
        return End(case, "no end", job["status"], is_documented=False, status=status, seconds=seconds)


def _problem(answer: httpx.Response) -> dict[str, str]:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return dict(answer.json()) if is_problem else {}


def violations(ends: Sequence[End]) -> list[str]:
    """Name every case that ended as nothing may end."""
    return [f"VIOLATION {_line(end)}" for end in ends if not end.is_documented or end.status >= 500]


def _deaths(stack: Running, client: httpx.Client) -> list[str]:
    """Name what is not alive, or not the process that it was at the start."""
    found = [f"VIOLATION {name} died" for name in stack.died()]
    ready = client.get("/readyz")
    if ready.status_code != 200:
        found.append(f"VIOLATION /readyz answers {ready.status_code}: {ready.text[:300]}")
    return found


def table(ends: Sequence[End]) -> str:
    """Return the counts of outcomes by group, as Markdown."""
    counted = Counter((end.case.group, _outcome(end)) for end in ends)
    worst = {
        group: max(end.seconds for end in ends if end.case.group == group)
        for group in sorted({end.case.group for end in ends})
    }
    lines = ["| set and class | documents | outcomes | slowest, s |", "| --- | --: | --- | --: |"]
    for group, seconds in worst.items():
        outcomes = sorted(((n, name) for (of, name), n in counted.items() if of == group), reverse=True)
        told = ", ".join(f"{name} {n}" for n, name in outcomes)
        lines.append(f"| {group} | {sum(n for n, _ in outcomes)} | {told} | {seconds:.1f} |")
    return "\n".join(lines)


def _outcome(end: End) -> str:
    return end.outcome if end.code is None else f"{end.outcome} {end.code}"


def _line(end: End) -> str:
    return (
        f"{end.case.group}: {end.case.path.name}: {_outcome(end)} "
        f"(HTTP {end.status}, {end.seconds:.1f} s) {end.detail}"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Submit hostile documents to a real stack.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="a set with truth.jsonl")
    parser.add_argument("--task-seconds", type=float, default=120, help="longest run of one task")
    parser.add_argument("--list", action="store_true", help="name every document that did not complete")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
