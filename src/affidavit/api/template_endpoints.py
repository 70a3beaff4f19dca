"""Every endpoint under /v1/templates."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api import template_examples as examples
from affidavit.api.endpoint import Body, Endpoint, Reply
from affidavit.api.routes import templates
from affidavit.api.template_objects import TemplateList, TemplateObject
from affidavit.api.template_wire import TemplateBody, TemplateQuery, TemplateUpdate

_READ: Final = (Scope.TEMPLATES_READ,)
_WRITE: Final = (Scope.TEMPLATES_WRITE,)
_ETAG: Final = ("ETag",)

ENDPOINTS_OF_TEMPLATES: Final = (
    Endpoint(
        "POST",
        "/v1/templates",
        templates.create,
        "templates",
        "Create a template",
        "A schema with options under a name, to be used as `template` instead of `schema`. It starts at "
        "version 1. The schema may be in shorthand; what is kept is plain JSON Schema.",
        (
            Reply(201, "Created.", TemplateObject, examples.TEMPLATE, headers=("Location", *_ETAG)),
            Reply(
                200,
                "The template that an earlier request with this Idempotency-Key had made, as it is now.",
                TemplateObject,
                examples.TEMPLATE,
                headers=("Location", "Idempotent-Replayed", *_ETAG),
            ),
        ),
        codes=("SCHEMA_INVALID", "MODEL_NOT_CONFIGURED", "TEMPLATE_EXISTS", "TEMPLATE_LIMIT", "NOT_FOUND"),
        scopes=_WRITE,
        body=Body(TemplateBody, examples.TEMPLATE_BODIES),
    ),
    Endpoint(
        "GET",
        "/v1/templates",
        templates.list_templates,
        "templates",
        "List templates",
        "By name, without their schemas: your own, and the starters of the package that you have none of "
        "the same name of.",
        (Reply(200, "A page of templates.", TemplateList, examples.TEMPLATE_LIST),),
        codes=("CURSOR_INVALID",),
        scopes=_READ,
        query=TemplateQuery,
    ),
    Endpoint(
        "GET",
        "/v1/templates/{template}",
        templates.show,
        "templates",
        "Get a template",
        "The newest version of `NAME`, or with `NAME@VERSION` that one. Your own comes before a starter.",
        (Reply(200, "The template.", TemplateObject, examples.TEMPLATE, headers=_ETAG),),
        codes=("NOT_FOUND",),
        scopes=_READ,
    ),
    Endpoint(
        "PUT",
        "/v1/templates/{template}",
        templates.change,
        "templates",
        "Make the next version of a template",
        "The body is the whole of the new version. With `If-Match`, or `version` in the body, it is refused "
        "when somebody else was faster. A body that changes nothing makes no version. Older versions stay.",
        (Reply(200, "The newest version.", TemplateObject, examples.TEMPLATE, headers=_ETAG),),
        codes=(
            "NOT_FOUND",
            "SCHEMA_INVALID",
            "MODEL_NOT_CONFIGURED",
            "TEMPLATE_CHANGED",
            "TEMPLATE_IS_STARTER",
            "TEMPLATE_LIMIT",
        ),
        scopes=_WRITE,
        body=Body(TemplateUpdate, examples.TEMPLATE_CHANGES),
    ),
    Endpoint(
        "DELETE",
        "/v1/templates/{template}",
        templates.delete,
        "templates",
        "Delete a template",
        "With all its versions. Jobs keep the schema that they took from it.",
        (Reply(204, "Deleted.", media_type=None),),
        codes=("NOT_FOUND", "TEMPLATE_IS_STARTER"),
        scopes=_WRITE,
    ),
)
