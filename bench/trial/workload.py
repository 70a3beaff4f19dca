"""Clients that submit until they are answered: they repeat with the same key, cancel, look and hang up."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import httpx

from trial.documents import Sample
from trial.ledger import Ledger, Order

CLIENTS = 4
PATIENCE_SECONDS = 600.0  # for one submission, over all faults
TIMEOUT = httpx.Timeout(8.0)
HANG_UP = httpx.Timeout(8.0, read=0.004)  # the client is gone before the answer can be
WEBHOOK_SHARE, CANCEL_SHARE, BATCH_SHARE, REPEAT_SHARE, HANG_UP_SHARE = 0.5, 0.05, 0.03, 0.1, 0.05
TERMINAL = frozenset({"completed", "failed", "canceled"})
#: What a client is told to come back for.
TEMPORARY = frozenset({429, 500, 502, 503, 504})


class Workload:
    """Submits each sample once for each environment; `allow` says how many orders may be out by now."""

    def __init__(
        self,
        urls: list[str],
        keys: list[str],
        samples: list[Sample],
        seed: int,
        webhook: Callable[[int], Mapping[str, str]] | None,
    ) -> None:
        self.ledger = Ledger()
        self._urls = urls
        self._keys = keys
        self._webhook = webhook
        self._rng = Random(f"workload {seed}")
        self._todo = self._plan(samples)
        self._allowed = 0
        self._gate = threading.Condition()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._submit_all, args=(Random(f"{seed} {n}"),), daemon=True)
            for n in range(CLIENTS)
        ]
        self._threads.append(threading.Thread(target=self._look_around, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, orders: int) -> None:
        """Let the clients submit up to so many orders in all."""
        with self._gate:
            self._allowed = max(self._allowed, orders)
            self._gate.notify_all()

    def finish(self) -> None:
        """Submit what is left, wait for every answer, and end the clients."""
        self.allow(len(self._todo) + len(self.ledger.orders))
        for thread in self._threads[:-1]:
            thread.join(PATIENCE_SECONDS)
            if thread.is_alive():
                self.ledger.complain("a client got no final answer to a submission in ten minutes")
        self._is_over.set()
        self._threads[-1].join(30)

    @property
    def size(self) -> int:
        return len(self._todo) + len(self.ledger.orders)

    def _plan(self, samples: list[Sample]) -> list[Order]:
        pairs = [(at, sample) for at in range(len(self._keys)) for sample in samples]
        self._rng.shuffle(pairs)
        orders: list[Order] = []
        while pairs:
            environment, sample = pairs.pop()
            order = Order(len(orders), environment, [sample], f"order-{len(orders)}")
            if self._rng.random() < BATCH_SHARE:
                order.is_batch = True
                mates = [pair for pair in pairs if pair[0] == environment][:5]
                pairs = [pair for pair in pairs if pair not in mates]
                order.samples += [sample for _, sample in mates]
            order.has_webhook = not order.is_batch and self._rng.random() < WEBHOOK_SHARE
            order.is_canceled = self._rng.random() < CANCEL_SHARE
            orders.append(order)
        return orders[::-1]

    def _submit_all(self, rng: Random) -> None:
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            while (order := self._next()) is not None:
                self._submit(client, order, rng)
                if rng.random() < REPEAT_SHARE:
                    self._submit(client, order, rng)
                if order.is_canceled:
                    time.sleep(rng.random() * 2)
                    self._cancel(client, order, rng)

    def _next(self) -> Order | None:
        with self._gate:
            while self._todo and len(self.ledger.orders) >= self._allowed:
                self._gate.wait()
            if not self._todo:
                return None
            order = self._todo.pop()
            self.ledger.orders.append(order)
            return order

    def _submit(self, client: httpx.Client, order: Order, rng: Random) -> None:
        """Post, again and again with the same key, until there is an answer that holds."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            hang_up = rng.random() < HANG_UP_SHARE
            answer = self._call(client, "POST", order, rng, timeout=HANG_UP if hang_up else TIMEOUT)
            order.posts += 1
            if answer is None or answer.status_code in TEMPORARY or _is_in_progress(answer):
                time.sleep(0.1 + rng.random() * 0.4)
                continue
            if not answer.is_success:
                self.ledger.complain(
                    f"order {order.number} refused: {answer.status_code} {answer.text[:200]}"
                )
                return
            order.job_ids.append(answer.json()["id"])
            return
        self.ledger.complain(f"order {order.number} was not answered in {PATIENCE_SECONDS:.0f} s")

    def _cancel(self, client: httpx.Client, order: Order, rng: Random) -> None:
        if not order.job_ids:
            return
        answer = self._call(client, "DELETE", order, rng, path=f"/v1/jobs/{order.job_ids[0]}")
        if answer is not None and answer.status_code == 200:
            self.ledger.saw(order.job_ids[0], answer.json()["status"])

    def _call(
        self,
        client: httpx.Client,
        method: str,
        order: Order,
        rng: Random,
        *,
        path: str | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> httpx.Response | None:
        """Send one request to any API; None when there was no whole answer."""
        headers = {"Authorization": f"Bearer {self._keys[order.environment]}"}
        body: dict[str, Any] = {}
        if method == "POST":
            headers["Idempotency-Key"] = order.key
            path, body = self._body(order)
        try:
            answer = client.request(
                method, rng.choice(self._urls) + str(path), headers=headers, timeout=timeout, **body
            )
        except httpx.TransportError as error:
            self.ledger.count(type(error).__name__)
            return None
        self.ledger.count(f"{method} {answer.status_code}")
        self._judge(answer)
        return answer

    def _judge(self, answer: httpx.Response) -> None:
        kind = answer.headers.get("content-type", "")
        if answer.status_code >= 400 and not kind.startswith("application/problem+json"):
            self.ledger.complain(
                f"{answer.request.url.path}: {answer.status_code} as {kind}: {answer.text[:200]}"
            )
        if answer.status_code in (429, 503) and "retry-after" not in answer.headers:
            self.ledger.complain(f"{answer.request.url.path}: {answer.status_code} without Retry-After")
        if answer.status_code == 500:
            self.ledger.complain(f"{answer.request.url.path}: {answer.text[:300]}")

    def _body(self, order: Order) -> tuple[str, dict[str, Any]]:
        if order.is_batch:
            items = [
                {
                    "operation": "parse",
                    "source": {
                        "base64": base64.b64encode(sample.data).decode(),
                        "filename": f"{sample.number}.pdf",
                    },
                    "options": json.loads(sample.options),
                }
                for sample in order.samples
            ]
            return "/v1/jobs", {"json": {"items": items, "metadata": {"order": str(order.number)}}}
        sample = order.samples[0]
        fields = {"options": sample.options, "metadata": json.dumps({"order": str(order.number)})}
        if order.has_webhook and self._webhook is not None:
            fields["webhook"] = json.dumps(self._webhook(order.number))
        return "/v1/parse", {"data": fields, "files": {"file": (f"{sample.number}.pdf", sample.data)}}

    def _look_around(self) -> None:
        """Read jobs while all goes on: an end that a client has seen is the end."""
        rng = Random("look")
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            while not self._is_over.wait(0.05):
                known = [order for order in list(self.ledger.orders) if order.job_ids]
                if not known:
                    continue
                order = rng.choice(known)
                answer = self._call(client, "GET", order, rng, path=f"/v1/jobs/{order.job_ids[0]}")
                if answer is None:
                    continue
                if answer.status_code == 404:
                    self.ledger.complain(f"{order.job_ids[0]} was acknowledged and is not found")
                if answer.is_success and answer.json()["status"] in TERMINAL:
                    self.ledger.saw(order.job_ids[0], answer.json()["status"])


def _is_in_progress(answer: httpx.Response) -> bool:
    return answer.status_code == 409 and answer.json().get("code") == "IDEMPOTENCY_IN_PROGRESS"
