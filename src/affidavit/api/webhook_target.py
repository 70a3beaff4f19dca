"""Judge where webhooks are to go, by the spelling alone; addresses are judged when something is sent."""

from __future__ import annotations

from typing import Final

from affidavit.api.wire import Webhook
from affidavit.errors import FieldError, RequestInvalid
from affidavit.infra.fetch import FetchPolicy, check_spelling
from affidavit.infra.fetch_errors import AddressForbidden, FetchError
from affidavit.jobs.submission import WebhookRef
from affidavit.webhooks.signing import SecretInvalid, check_secret

FORBIDDEN: Final = (
    "The webhook URL leads to a private, local or reserved address, which nothing is sent to. Use a public "
    "URL, or have the operator allow the network with AFFIDAVIT_WEBHOOK_ALLOWED_NETWORKS."
)
INVALID: Final = (
    "This is not a URL that webhooks are sent to. Give an absolute {schemes} URL with a public host, on port "
    "443, 80 or 8443, without user name, password, spaces or control characters."
)
BAD_SECRET: Final = "The secret must be whsec_ and the base64 of 24 to 64 random bytes."  # noqa: S105


def judge_webhook(webhook: Webhook | None, targets: FetchPolicy, pointer: str) -> None:
    """Refuse a submission's webhook for its URL or its secret. Raises RequestInvalid."""
    if webhook is None:
        return
    judge_url(webhook.url, targets, f"{pointer}/webhook/url")
    if webhook.secret is not None:
        _judge_secret(webhook.secret, f"{pointer}/webhook/secret")


def judge_url(url: str, targets: FetchPolicy, pointer: str) -> None:
    """Refuse a URL for what it says. Raises RequestInvalid with a code of its own."""
    try:
        check_spelling(url, targets)
    except AddressForbidden:
        raise RequestInvalid(
            FORBIDDEN,
            code="WEBHOOK_ADDRESS_FORBIDDEN",
            errors=[FieldError(pointer, FORBIDDEN, "webhook_address_forbidden")],
        ) from None
    except FetchError:
        message = INVALID.format(schemes="https or http" if targets.allow_http else "https")
        raise RequestInvalid(
            message, code="WEBHOOK_URL_INVALID", errors=[FieldError(pointer, message, "webhook_url_invalid")]
        ) from None


def read_webhook(webhook: Webhook | None) -> WebhookRef | None:
    """Return what the job keeps of a webhook that was judged."""
    return None if webhook is None else WebhookRef(webhook.url, webhook.secret)


def _judge_secret(secret: str, pointer: str) -> None:
    try:
        check_secret(secret)
    except SecretInvalid:
        raise RequestInvalid(
            BAD_SECRET,
            code="WEBHOOK_SECRET_INVALID",
            errors=[FieldError(pointer, BAD_SECRET, "webhook_secret_invalid")],
        ) from None
