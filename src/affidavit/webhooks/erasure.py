"""Take out of deliveries what the caller said of a job: its labels, and the text of its error.

What was sent was sent; what is sent from now on, and the log, says no more than ids and states. The answers
of receivers go too, since one may have said the payload again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_PAYLOADS: Final = text("""
UPDATE webhook_deliveries SET payload = convert_to(jsonb_set(
    jsonb_set(CAST(convert_from(payload, 'UTF8') AS jsonb), '{data,metadata}', 'null', false),
    '{data,error,message}', '""', false) #>> '{}', 'UTF8')
WHERE environment_id = :environment_id AND job_id = ANY(CAST(:job_ids AS text[]))
""")

_ANSWERS: Final = text("""
UPDATE webhook_attempts a SET response_head = NULL FROM webhook_deliveries d
WHERE d.environment_id = :environment_id AND d.job_id = ANY(CAST(:job_ids AS text[]))
  AND a.delivery_id = d.id AND a.response_head IS NOT NULL
""")


async def erase(session: AsyncSession, environment_id: str, job_ids: Sequence[str]) -> None:
    """Erase what the deliveries of these jobs say of them beside ids and states."""
    ours = {"environment_id": environment_id, "job_ids": list(job_ids)}
    await session.execute(_PAYLOADS, ours)
    await session.execute(_ANSWERS, ours)
