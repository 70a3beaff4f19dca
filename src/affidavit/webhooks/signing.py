"""Sign messages as Standard Webhooks 1.0.0 says, with every secret that is live. Pure."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32  # the specification asks for 24 to 64
MIN_BYTES: Final = 24
MAX_BYTES: Final = 64


class SecretInvalid(ValueError):
    """Not a secret of the form `whsec_` and base64 of 24 to 64 bytes."""


def new_secret() -> str:
    """Make a secret: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(text: str) -> None:
    """Return if the text is a secret that can sign. Raises SecretInvalid."""
    if not text.startswith(PREFIX):
        raise SecretInvalid
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretInvalid from None
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise SecretInvalid


def signed_headers(
    message_id: str, at: datetime, payload: bytes, live_secrets: Sequence[str]
) -> dict[str, str]:
    """Return the three headers of a message; one signature for each secret, separated by spaces."""
    text = payload.decode()
    signatures = [Webhook(secret).sign(message_id, at, text) for secret in live_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
