"""Write docs/errors.md from the table: `python -m affidavit.api.error_page > docs/errors.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from affidavit.api.problems import JOB_CODES, PROBLEMS, RESPONSE_CODES, TYPE_PREFIX

_HEAD = f"""# Errors

Made from `src/affidavit/api/problems.py` by `python -m affidavit.api.error_page > docs/errors.md`.

Every answer that is not a success is `application/problem+json` (RFC 9457): `type` (`{TYPE_PREFIX}` and the
code in lower case), `title`, `status`, `detail`, `instance`, `code`, `request_id`, `retryable`, and
`errors[]` with a JSON `pointer`, a `message` and a `code` for each offending field. Decide by
`code`; it is stable.

A synchronous call whose job fails answers as `/result` does: 409 `JOB_FAILED`, with the job's own error in
`job_error` and its id in `job_id`.

## Codes of answers

| status | code | meaning | what to do |
| --- | --- | --- | --- |
"""
_JOBS = """
## Codes of jobs

The `error` of a failed job is `{code, message, category, phase, page, retryable}`. Its code is one of:

| code | meaning | what to do |
| --- | --- | --- |
"""


def render() -> str:
    """Return the page."""
    answers = sorted(RESPONSE_CODES, key=lambda code: (PROBLEMS[code].status, code))
    return (
        _HEAD
        + _rows((str(PROBLEMS[code].status), f"`{code}`", *_said(code)) for code in answers)
        + _JOBS
        + _rows((f"`{code}`", *_said(code)) for code in JOB_CODES)
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _said(code: str) -> tuple[str, str]:
    return PROBLEMS[code].title, PROBLEMS[code].remedy


if __name__ == "__main__":
    sys.stdout.write(render())
