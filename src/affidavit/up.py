"""`affidavit up`: run the whole stack here until it is told to stop."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from affidavit.samples import invoice_pdf
from affidavit.stack import FAILURES, Plan, Stack, stop_on_signals

_LOOK_SECONDS = 0.5


def main(arguments: Sequence[str]) -> int:
    """Run the stack until Ctrl-C or SIGTERM."""
    given = _parser().parse_args(arguments)
    plan = Plan(given.data_dir, given.host, given.port, given.workers, dict(os.environ))
    stop_on_signals()
    try:
        with Stack(plan, tell=print_now) as stack:
            sample = given.data_dir.absolute() / "sample-invoice.pdf"
            sample.write_bytes(invoice_pdf())
            print_now(banner(stack, sample))
            while True:
                time.sleep(_LOOK_SECONDS)
                stack.tend()
    except KeyboardInterrupt:
        print_now("Stopped.")
        return 0
    except FAILURES as failed:
        print(f"affidavit up: {failed}", file=sys.stderr)
        return 1


def print_now(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def banner(stack: Stack, sample: Path) -> str:
    """Say where the service is and how to try it, by a line that works when pasted."""
    url, key = stack.plan.base_url, stack.api_key
    schema = '{"type":"object","properties":{"invoice_number":{"type":"string"},"total":{"type":"number"}}}'
    return "\n".join(
        [
            "",
            f"  Base URL   {url}",
            f"  API key    {key}",
            f"  Data       {stack.plan.data_dir.absolute()} (logs in logs/)",
            "",
            "Try it:",
            "",
            f"  curl -sS '{url}/v1/extract?sync=true' -H 'Authorization: Bearer {key}' \\",
            f"    -F 'schema={schema}' \\",
            f"    -F 'file=@{sample}'",
            "",
            "Ctrl-C stops it; the data stays.",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit up",
        description="Run API, worker, Postgres and Valkey on this machine, all data in one folder. "
        "With AFFIDAVIT_DATABASE_URL and AFFIDAVIT_REDIS_URL set, those servers are used instead.",
    )
    data_dir = Path(os.environ.get("AFFIDAVIT_DATA_DIR") or "var")
    parser.add_argument("--data-dir", type=Path, default=data_dir, help=f"default: {data_dir}")
    parser.add_argument("--host", default=os.environ.get("AFFIDAVIT_HOST") or "127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("AFFIDAVIT_PORT") or 8000))
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: 1)")
    return parser
