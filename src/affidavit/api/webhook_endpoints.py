"""Every endpoint under /v1/webhooks."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api import webhook_examples as examples
from affidavit.api.endpoint import Body, Endpoint, Reply
from affidavit.api.routes import webhooks
from affidavit.api.webhook_objects import (
    DefaultSecretObject,
    DefaultSecretWithText,
    DeliveryDetail,
    DeliveryList,
    EndpointList,
    EndpointObject,
    EndpointWithSecret,
)
from affidavit.api.webhook_wire import (
    AllDeliveryQuery,
    DeliveryQuery,
    EmptyBody,
    EndpointBody,
    EndpointChange,
    EndpointQuery,
    RotateBody,
)

_READ: Final = (Scope.WEBHOOKS_READ,)
_WRITE: Final = (Scope.WEBHOOKS_WRITE,)
_URL_CODES: Final = ("WEBHOOK_URL_INVALID", "WEBHOOK_ADDRESS_FORBIDDEN")
_EMPTY: Final = Body(EmptyBody, examples.NOTHING, required=False)
_ROTATE: Final = Body(RotateBody, examples.ROTATIONS, required=False)
_REPLAY: Final = ("Idempotent-Replayed",)

_OWED: Final = (
    Reply(
        202,
        "Owed: the delivery. It is sent within seconds; look at Location for what came of it.",
        DeliveryDetail,
        examples.REDELIVERY,
        headers=("Location",),
    ),
    Reply(
        200,
        "The delivery that an earlier request with this Idempotency-Key had made, as it is now.",
        DeliveryDetail,
        examples.REDELIVERY,
        headers=("Location", *_REPLAY),
    ),
)

ENDPOINTS_OF_WEBHOOKS: Final = (
    Endpoint(
        "POST",
        "/v1/webhooks",
        webhooks.create,
        "webhooks",
        "Create a webhook endpoint",
        "Every event that it asks for is sent to it, signed as Standard Webhooks says, at least once. The "
        "secret is shown in this answer and never again.",
        (
            Reply(201, "Created.", EndpointWithSecret, examples.NEW_ENDPOINT, headers=("Location",)),
            Reply(
                200,
                "The endpoint that an earlier request with this Idempotency-Key had made; no secret.",
                EndpointWithSecret,
                {**examples.NEW_ENDPOINT, "secret": None},
                headers=("Location", *_REPLAY),
            ),
        ),
        codes=(*_URL_CODES, "WEBHOOK_LIMIT", "NOT_FOUND"),
        scopes=_WRITE,
        body=Body(EndpointBody, examples.ENDPOINT_BODIES),
    ),
    Endpoint(
        "GET",
        "/v1/webhooks",
        webhooks.list_endpoints,
        "webhooks",
        "List webhook endpoints",
        "Newest first, without their secrets.",
        (Reply(200, "A page of endpoints.", EndpointList, examples.ENDPOINT_LIST),),
        codes=("CURSOR_INVALID",),
        scopes=_READ,
        query=EndpointQuery,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/default-secret",
        webhooks.default_secret,
        "webhooks",
        "Get the default secret's state",
        "The default secret signs what goes to the `webhook` of a submission that brought no secret of its "
        "own. It is made at its first use, or by a POST. Its text is not shown here.",
        (Reply(200, "How it stands.", DefaultSecretObject, examples.DEFAULT_SECRET),),
        codes=("NOT_FOUND",),
        scopes=_READ,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/default-secret",
        webhooks.reveal_default_secret,
        "webhooks",
        "Show the default secret, once",
        "Makes the default secret if there is none, and shows it if nobody has seen it. Later: rotate it.",
        (
            Reply(201, "The secret.", DefaultSecretWithText, examples.NEW_DEFAULT_SECRET),
            Reply(
                200,
                "A replay: how it stands, without the secret.",
                DefaultSecretWithText,
                {**examples.NEW_DEFAULT_SECRET, "secret": None},
                headers=_REPLAY,
            ),
        ),
        codes=("WEBHOOK_SECRET_SHOWN", "NOT_FOUND"),
        scopes=_WRITE,
        body=_EMPTY,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/default-secret/rotate",
        webhooks.rotate_default_secret,
        "webhooks",
        "Rotate the default secret",
        "Makes a new default secret and shows it. Until the overlap ends every message is signed with both.",
        (
            Reply(
                200,
                "The new secret; null in a replay.",
                DefaultSecretWithText,
                examples.NEW_DEFAULT_SECRET,
                headers=_REPLAY,
            ),
        ),
        codes=("NOT_FOUND",),
        scopes=_WRITE,
        body=_ROTATE,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/deliveries",
        webhooks.all_deliveries,
        "webhooks",
        "List all deliveries",
        "Newest first: to endpoints, deleted ones too, and to the `webhook` of submissions. "
        "`status=exhausted` lists the dead letters.",
        (Reply(200, "A page of deliveries.", DeliveryList, examples.DELIVERY_LIST),),
        codes=("CURSOR_INVALID",),
        scopes=_READ,
        query=AllDeliveryQuery,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/deliveries/{delivery_id}",
        webhooks.delivery,
        "webhooks",
        "Get a delivery",
        "What is sent, and every attempt: when, how long, the answer or the error.",
        (Reply(200, "The delivery.", DeliveryDetail, examples.DELIVERY_DETAIL),),
        codes=("NOT_FOUND",),
        scopes=_READ,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/deliveries/{delivery_id}/redeliver",
        webhooks.redeliver,
        "webhooks",
        "Send a message again",
        "A new delivery of the same bytes under the same `webhook-id`, due now. If the first is still "
        "pending, it is canceled in favour of the new one.",
        _OWED,
        codes=("NOT_FOUND", "WEBHOOK_DISABLED"),
        scopes=_WRITE,
        body=_EMPTY,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/{endpoint_id}",
        webhooks.show,
        "webhooks",
        "Get a webhook endpoint",
        "What it asks for and whether it works; never its secret.",
        (Reply(200, "The endpoint.", EndpointObject, examples.ENDPOINT),),
        codes=("NOT_FOUND",),
        scopes=_READ,
    ),
    Endpoint(
        "PATCH",
        "/v1/webhooks/{endpoint_id}",
        webhooks.change,
        "webhooks",
        "Change a webhook endpoint",
        "Change the URL, the events or the description; switch it off or on. What is pending goes to the "
        "new URL.",
        (Reply(200, "The endpoint as it is now.", EndpointObject, examples.ENDPOINT),),
        codes=("NOT_FOUND", *_URL_CODES),
        scopes=_WRITE,
        body=Body(EndpointChange, examples.CHANGES),
    ),
    Endpoint(
        "DELETE",
        "/v1/webhooks/{endpoint_id}",
        webhooks.delete,
        "webhooks",
        "Delete a webhook endpoint",
        "What is pending is canceled. The log stays and is listed with all deliveries.",
        (Reply(204, "Deleted.", media_type=None),),
        codes=("NOT_FOUND",),
        scopes=_WRITE,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/{endpoint_id}/rotate-secret",
        webhooks.rotate_secret,
        "webhooks",
        "Rotate an endpoint's secret",
        "Makes a new secret and shows it. Until the overlap ends every message is signed with both.",
        (
            Reply(
                200,
                "The endpoint with its new secret; null in a replay.",
                EndpointWithSecret,
                examples.ROTATED_ENDPOINT,
                headers=_REPLAY,
            ),
        ),
        codes=("NOT_FOUND",),
        scopes=_WRITE,
        body=_ROTATE,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/{endpoint_id}/test",
        webhooks.send_test,
        "webhooks",
        "Send a test event",
        "A `webhook.test` event, signed, sent, tried again and logged as any other.",
        _OWED,
        codes=("NOT_FOUND", "WEBHOOK_DISABLED"),
        scopes=_WRITE,
        body=_EMPTY,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/{endpoint_id}/deliveries",
        webhooks.deliveries,
        "webhooks",
        "List an endpoint's deliveries",
        "Newest first. `status=exhausted` lists the dead letters.",
        (Reply(200, "A page of deliveries.", DeliveryList, examples.DELIVERY_LIST),),
        codes=("NOT_FOUND", "CURSOR_INVALID"),
        scopes=_READ,
        query=DeliveryQuery,
    ),
    Endpoint(
        "GET",
        "/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}",
        webhooks.endpoint_delivery,
        "webhooks",
        "Get an endpoint's delivery",
        "What is sent, and every attempt: when, how long, the answer or the error.",
        (Reply(200, "The delivery.", DeliveryDetail, examples.DELIVERY_DETAIL),),
        codes=("NOT_FOUND",),
        scopes=_READ,
    ),
    Endpoint(
        "POST",
        "/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver",
        webhooks.endpoint_redeliver,
        "webhooks",
        "Send an endpoint's message again",
        "A new delivery of the same bytes under the same `webhook-id`, due now.",
        _OWED,
        codes=("NOT_FOUND", "WEBHOOK_DISABLED"),
        scopes=_WRITE,
        body=_EMPTY,
    ),
)
