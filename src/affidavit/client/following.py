"""Follow a job: read its event stream, and know where to go on. Pure: no clock and no sleep in here."""

from __future__ import annotations

import json
from typing import Any

from affidavit.client.call import Call, follow
from affidavit.client.models import ENDED, Event

HEARTBEAT_SECONDS = 30.0  # on top of the timeout: the service shows at least twice as often that it lives


class Following:
    """One job being followed, over as many connections as it takes; each event is given out once."""

    def __init__(self, job_id: str, after: int) -> None:
        self._job_id = job_id
        self._seen = after
        self._rest = b""
        self._fields: dict[str, str] = {}
        self.is_over = False
        self.pause_seconds = 1.0  # before the next connection, as the service says

    def ask(self) -> Call[None]:
        """Return the request that goes on after the last transition that arrived."""
        self._rest, self._fields = b"", {}
        return follow(self._job_id, self._seen, HEARTBEAT_SECONDS)

    def feed(self, chunk: bytes) -> list[Event]:
        """Take bytes of the stream and return the events that they complete."""
        # By line feeds alone: str.splitlines would also split at characters that a message may have.
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = []
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
        return events

    def _take(self, line: str) -> Event | None:
        if line:
            name, _, value = line.partition(":")
            if name:  # what starts with a colon is a heartbeat
                self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if fields.get("retry", "").isdecimal():
            self.pause_seconds = int(fields["retry"]) / 1000
        return self._event(fields) if "data" in fields else None

    def _event(self, fields: dict[str, str]) -> Event | None:
        seq = int(fields["id"]) if fields.get("id", "").isdecimal() else None
        if seq is not None:
            if seq <= self._seen:
                return None
            self._seen = seq
        event = Event(name=fields.get("event", "message"), seq=seq, data=_object(fields["data"]))
        self.is_over = event.name == "job" and event.data.get("status") in {str(status) for status in ENDED}
        return event


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}
