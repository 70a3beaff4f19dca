"""`affidavit demo`: bring the stack up, have an invoice and its scan read, check values and bundles."""

from __future__ import annotations

import argparse
import io
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from rich.box import SIMPLE
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from affidavit.bundle import keys
from affidavit.bundle.report import Status
from affidavit.bundle.trust import Trust
from affidavit.client import AffidavitError, Client, Job, Result, bundles
from affidavit.samples import Sample, invoices
from affidavit.show.command import examine
from affidavit.show.page import Chosen
from affidavit.stack import FAILURES, Plan, Stack, stop_on_signals

_ORANGE = (255, 120, 0)
_MARGIN_POINTS = 1.5  # between a word and its outline


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration; 0 when every value was right and cited."""
    given = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    stop_on_signals()
    try:
        with ExitStack() as cleanup:
            folder = given.data_dir or Path(
                cleanup.enter_context(tempfile.TemporaryDirectory(prefix="affidavit-"))
            )
            plan = Plan(folder, "127.0.0.1", given.port or _free_port(), 1, dict(os.environ))
            stack = cleanup.enter_context(Stack(plan, tell=console.print))
            wrong = show(stack, given.output, given.timeout, console)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130  # as shells report SIGINT
    except (*FAILURES, AffidavitError) as failed:
        print(f"affidavit demo: {failed}", file=sys.stderr)
        return 1
    return _judge(wrong, given.output, console)


def show(stack: Stack, output: Path, timeout: float, console: Console) -> list[str]:
    """Have the samples read and shown; return what was wrong, empty when all was right."""
    output.mkdir(parents=True, exist_ok=True)
    samples = invoices()
    with Client(stack.plan.base_url, stack.api_key) as client:
        jobs = [_submit(client, sample, output) for sample in samples]
        for job, sample in zip(jobs, samples, strict=True):
            console.print(f"{sample.filename} is {job.id}")
        _watch(client, jobs, samples, timeout, console)
        wrong: list[str] = []
        for job, sample in zip(jobs, samples, strict=True):
            result = client.result(job.id)
            console.print(_table(sample, result))
            for path in _outline(client, job, result, output / Path(sample.filename).stem):
                console.print(f"Cited words outlined in {path}")
            wrong += [f"{sample.filename}: {each}" for each in differences(sample.expected, result)]
            wrong += _prove(client, job, output / Path(sample.filename).stem, console)
    return wrong


def differences(expected: Mapping[str, Any], result: Result) -> list[str]:
    """Say which expected values are missing, wrong, or not cited."""
    found = []
    read = dict(_leaves(result.data))
    for path, value in _leaves(expected):
        field = result.fields.get(path)
        if read.get(path) != value:
            found.append(f"{path} is {read.get(path)!r} and should be {value!r}")
        elif field is None or not field.citations:
            found.append(f"{path} has no citation")
    return found + [f"{path} should not be there" for path in read.keys() - dict(_leaves(expected)).keys()]


def _prove(client: Client, job: Job, stem: Path, console: Console) -> list[str]:
    """Save the job's bundle, verify it without the server, and write it as a page; return what was wrong."""
    bundle, page = stem.with_suffix(".zip"), stem.with_suffix(".html")
    client.download_bundle(str(client.job(job.id).bundle_id), bundle)
    trusted = Trust(keys.parse(client.send(bundles.signing_keys())))
    with bundle.open("rb") as file:
        report, pieces = examine(file, bundle.name, trusted, Chosen())
        page.write_text("".join(pieces), encoding="utf-8")
    passed = sum(check.status is Status.PASSED for check in report.checks)
    console.print(f"Sealed in {bundle}: {passed} checks passed offline. To look at: {page}")
    return [] if report.verdict is Status.PASSED else [f"{bundle} is {report.verdict}"]


def _submit(client: Client, sample: Sample, output: Path) -> Job:
    path = output / sample.filename
    path.write_bytes(sample.data)
    return client.extract(path, dict(sample.schema), options={"words": True})


def _watch(
    client: Client, jobs: Sequence[Job], samples: Sequence[Sample], timeout: float, console: Console
) -> None:
    columns = (TextColumn("{task.fields[name]:<17}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns, TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    ) as progress:
        bars = [progress.add_task("queued", total=100, name=sample.filename) for sample in samples]

        def advance(bar: TaskID, job: Job) -> None:
            said = job.progress.message or job.progress.stage or ""
            progress.update(
                bar, completed=job.progress.percent, description=f"{job.status}: {said}".rstrip(": ")
            )

        for job, bar in zip(jobs, bars, strict=True):
            done = client.wait(job, timeout=timeout, on_progress=partial(advance, bar))
            progress.update(bar, completed=100, description=str(done.status))


def _table(sample: Sample, result: Result) -> Table:
    table = Table(title=sample.filename, title_justify="left", box=SIMPLE)
    for name in ("path", "value", "page", "box", "quote", "confidence"):
        justify: JustifyMethod = "right" if name in {"page", "confidence"} else "left"
        table.add_column(name, justify=justify, no_wrap=name in {"path", "box"})
    for path, field in result.fields.items():
        cited = field.citations[0] if field.citations else None
        box = " ".join(f"{edge:.0f}" for edge in cited.box) if cited else "not found"
        table.add_row(
            path,
            str(field.value),
            str(cited.page) if cited else "",
            box,
            cited.quote if cited else "",
            f"{field.confidence:.0f}" if field.confidence is not None else "",
        )
    return table


def _outline(client: Client, job: Job, result: Result, stem: Path) -> Iterator[Path]:
    """Write an image of each cited page, with the cited words outlined."""
    words = {word["id"]: word["box"] for page in result.pages for word in page["words"]}
    for page in result.pages:
        cited = [
            words.get(word, citation.box)
            for field in result.fields.values()
            for citation in field.citations
            if citation.page == page["number"]
            for word in (citation.model_extra or {}).get("words", ())
        ]
        image = Image.open(io.BytesIO(client.page_image(str(job.file_id), page["number"]))).convert("RGB")
        scale = image.width / page["width"]
        draw = ImageDraw.Draw(image)
        for x0, y0, x1, y1 in cited:
            edges = (x0 - _MARGIN_POINTS, y0 - _MARGIN_POINTS, x1 + _MARGIN_POINTS, y1 + _MARGIN_POINTS)
            draw.rectangle([edge * scale for edge in edges], outline=_ORANGE, width=max(2, round(scale)))
        path = stem.with_name(f"{stem.name}-page-{page['number']}.png")
        image.save(path)
        yield path


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf with its path as `fields` spells it: `items[0].amount`."""
    match value:
        case Mapping():
            for name, member in value.items():
                yield from _leaves(member, f"{path}.{name}" if path else str(name))
        case list():
            for index, member in enumerate(value):
                yield from _leaves(member, f"{path}[{index}]")
        case _:
            yield path, value


def _judge(wrong: Sequence[str], output: Path, console: Console) -> int:
    if wrong:
        console.print("[bold red]Not as it is on paper:[/]")
        for each in wrong:
            console.print(f"  {each}", markup=False)
        return 1
    console.print(
        f"[bold green]Every value is right and points at its words.[/] Pages and bundles are in {output}/."
    )
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit demo",
        description="Start the stack in a fresh folder, have an invoice and a scan of it read, show the "
        "fields with the words they come from, check them, and stop everything.",
    )
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="default: demo-output")
    parser.add_argument("--data-dir", type=Path, help="keep the data here (default: a temporary folder)")
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for each document (default: 180)")
    return parser
