"""Measure how a large bundle is downloaded and verified, against sha256sum over the same bytes.

    python bench/bundle.py [--pages 200] [--small 20] [--downloads 10] [--rounds 9]

A real stack reads a document of so many full pages of text and seals its bundle. It is downloaded several
times, at once in the end, while the resident size of the API process is watched; a small bundle is downloaded
in the same way before it, for a comparison. Then the verifier runs over the file, in turns with `sha256sum`
and `openssl dgst -sha256`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx
import psutil
import pymupdf
from figures import machine, ratios, spread, verdict
from stack import Running, running, scratch

from affidavit.bundle import container, keys
from affidavit.bundle.report import Status
from affidavit.bundle.verify import verify

MIB = 1 << 20
FLAT_BYTES = 4 * MIB  # what one more download may add to an API process that has served some
RATE = 200.0  # MB/s of artifacts
SHARE = 0.5  # of sha256sum
AT_ONCE = 5
LINES = 50  # of a page
WORDS = ("carriage", "invoice", "of", "the", "net", "amount", "Rotterdam", "delivered", "gross", "weight")
SCHEMA = (
    '{"type": "object", "properties": {"total": {"type": "number"}, "invoice_number": {"type": "string"}}}'
)


class Spent(NamedTuple):
    """Seconds that something took."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident bytes of a process before something, and the most of them meanwhile."""

    before: int
    most: int

    @property
    def growth(self) -> int:
        return self.most - self.before


def main() -> int:
    """Run it all; 1 when a target was missed or a bundle was not right."""
    given = _parse()
    print(f"{machine()}\n")
    with scratch() as folder:
        with running(workers=2) as stack:
            bundles = [_sealed(stack, pages) for pages in (given.small, given.pages)]
            flat = _download(stack, folder, bundles, given)
            (folder / "keys.json").write_bytes(httpx.get(f"{stack.url}/v1/keys/signing").content)
        fast = _verify(folder / "large.zip", folder / "keys.json", given.rounds)
    return 0 if flat and fast else 1


def _sealed(stack: Running, pages: int) -> str:
    """Have a document read, and return the bundle of its job."""
    began = time.monotonic()
    with stack.client() as client:
        files = {"file": (f"{pages}.pdf", _document(pages))}
        job = client.post("/v1/extract", files=files, data={"schema": SCHEMA}).raise_for_status().json()
        while job["status"] not in ("completed", "failed"):
            job = client.get(f"/v1/jobs/{job['id']}?wait=30").raise_for_status().json()
    if job["bundle_id"] is None:
        raise SystemExit(f"the job sealed nothing: {job}")
    print(f"{pages} pages were read and sealed in {time.monotonic() - began:.0f} s", flush=True)
    return str(job["bundle_id"])


def _download(stack: Running, folder: Path, bundles: list[str], given: argparse.Namespace) -> bool:
    api = stack.roles["api"]
    _saved(stack, bundles[0], folder / "small.zip")  # what the first one imports is not counted
    small = _watched(api, lambda: _saved(stack, bundles[0], folder / "small.zip"))
    once = [
        _watched(api, lambda: _saved(stack, bundles[1], folder / "large.zip")) for _ in range(given.downloads)
    ]
    together = _watched(api, lambda: _at_once(stack, bundles[1], AT_ONCE))
    print(f"\nDownload; resident bytes of the API process, {api.memory_info().rss / MIB:.0f} MiB at the end")
    for name, size, growths in (
        ("small", (folder / "small.zip").stat().st_size, [small]),
        ("large", (folder / "large.zip").stat().st_size, once),
    ):
        by = (
            f"{growths[0].growth / MIB:.1f}, the last of {len(growths)} by {growths[-1].growth / MIB:.1f} MiB"
        )
        print(f"  {name}: {size / MIB:.1f} MiB, the first grew it by {by}")
    total, later = max(each.most for each in once) - once[0].before, once[len(once) // 2 :]
    grown = max(each.growth for each in later)
    print(f"  all {len(once)} of the large one: {total / MIB:.1f} MiB")
    print(f"  {AT_ONCE} of it at once: {together.growth / MIB:.1f} MiB more")
    print(f"  the most of the last {len(later)}: {grown / MIB:.1f} MiB, ", end="")
    print(verdict(grown / MIB, FLAT_BYTES / MIB, at_most=True))
    return grown <= FLAT_BYTES


def _saved(stack: Running, bundle_id: str, path: Path) -> None:
    began, size = time.monotonic(), 0
    with stack.client() as client, client.stream("GET", f"/v1/bundles/{bundle_id}/download") as answer:
        answer.raise_for_status()
        with path.open("wb") as file:
            for chunk in answer.iter_bytes():
                size += file.write(chunk)
    if size != int(answer.headers["content-length"]):
        raise SystemExit("the download was cut off")
    print(f"  {path.name}: {size / 1e6:.1f} MB at {size / 1e6 / (time.monotonic() - began):.0f} MB/s")


def _at_once(stack: Running, bundle_id: str, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: _saved(stack, bundle_id, Path("/dev/null")), range(count)))


def _watched(process: psutil.Process, act: Callable[[], object]) -> Growth:
    before = process.memory_info().rss
    with _sampled(process) as samples:
        act()
    return Growth(before, max(samples))


@contextmanager
def _sampled(process: psutil.Process) -> Iterator[list[int]]:
    """Look at the resident size of a process every 10 ms."""
    samples, over = [process.memory_info().rss], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            samples.append(process.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join()


def _verify(path: Path, published: Path, rounds: int) -> bool:
    trusted = keys.read_file(published)
    with path.open("rb") as file:
        entries = container.read(file).entries
    megabytes = sum(entry.size for entry in entries[2:]) / 1e6
    command = [sys.executable, "-m", "affidavit.cli", "verify", str(path), "--key", str(published)]
    acts: dict[str, Callable[[], object]] = {
        "verify": lambda: _verified(path, trusted),
        "sha256sum": lambda: _run("sha256sum", str(path)),
        "openssl dgst": lambda: _run("openssl", "dgst", "-sha256", str(path)),
        "affidavit verify": lambda: _run(*command, ends=(0, 3)),
    }
    spent: dict[str, list[Spent]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            spent[name].append(_timed(act))
    print(f"\nVerification of {len(entries) - 2} artifacts, {megabytes:.1f} MB")
    for name, times in spent.items():
        wall, cpu = ([megabytes / value for value in values] for values in zip(*times, strict=True))
        print(f"  {name}: {spread(wall):.0f} MB/s, {spread(cpu):.0f} MB a CPU second")
    return _judge(spent, megabytes)


def _judge(spent: Mapping[str, Sequence[Spent]], megabytes: float) -> bool:
    """Compare with what only hashes; on a busy machine the CPU time tells more."""
    for name in ("sha256sum", "openssl dgst"):
        wall, cpu = (
            ratios([times[n] for times in spent[name]], [times[n] for times in spent["verify"]])
            for n in (0, 1)
        )
        print(f"  of {name}: {wall:.2f}, by CPU time {cpu:.2f}")
    share = ratios([times.wall for times in spent["sha256sum"]], [times.wall for times in spent["verify"]])
    rates = [spread([megabytes / times[n] for times in spent["verify"]]).median for n in (0, 1)]
    print(f"  of sha256sum: {verdict(share.median, SHARE)}")
    print(f"  MB/s: {verdict(rates[0], RATE)}; a CPU second: {verdict(rates[1], RATE)}")
    return share.median >= SHARE and rates[1] >= RATE  # one thread: on an idle machine both are the same


def _verified(path: Path, trusted: keys.Keys) -> None:
    with path.open("rb") as file:
        report = verify(file, trusted)
    if wrong := [check for check in report.checks if check.status is Status.FAILED]:
        raise SystemExit(f"the bundle does not verify: {wrong}")


def _run(*command: str, ends: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode not in ends:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()}")


def _timed(act: Callable[[], object]) -> Spent:
    began, used = time.perf_counter(), _cpu_seconds()
    act()
    return Spent(time.perf_counter() - began, _cpu_seconds() - used)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of all that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _document(pages: int) -> bytes:
    """Make a PDF with so many full pages of text, no two of them alike."""
    rng, document = Random(pages), pymupdf.open()
    for number in range(1, pages + 1):
        page = document.new_page()
        lines = [f"Invoice number: INV-{number:04}"] if number == 1 else []
        lines += [_line(rng) for _ in range(LINES)]
        if number == pages:
            lines.append("Total 2,290.45")
        page.insert_text((50, 60), lines, fontsize=9, lineheight=1.5)
    return bytes(document.tobytes(deflate=True))


def _line(rng: Random) -> str:
    words = rng.choices(WORDS, k=9)
    return " ".join([*words, f"{rng.randint(1, 9999)}.{rng.randint(10, 99)}"])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--small", type=int, default=20)
    parser.add_argument("--downloads", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
