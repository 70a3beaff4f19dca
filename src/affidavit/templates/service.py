"""The use cases of templates: make, change, find, list and delete them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from affidavit.errors import Conflict, NotFound
from affidavit.infra.db import Database
from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.infra.ids import new_id
from affidavit.templates import repository
from affidavit.templates.reference import Reference, parse_cursor, render_cursor
from affidavit.templates.starter import starters
from affidavit.templates.views import Definition, Made, Page, TemplateView

MAX_TEMPLATES: Final = 1000  # of one environment: a name for every kind of paper that a company gets
MAX_VERSIONS: Final = 10_000  # of one template; a loop that changes it without end stops here

_EXISTS: Final = "There is a template '{name}' already. Change it with PUT, or use another name."
_STARTER: Final = "'{name}' comes with the package and stays as it is. Make your own of that name with POST."
_CHANGED: Final = "The template is at version {version} by now. Look at it and decide anew."
_TOO_MANY: Final = "This environment has the {most} templates that are possible. Delete one first."
_TOO_OFTEN: Final = "The template has the {most} versions that are possible. Make a new one."


@dataclass(frozen=True, slots=True)
class TemplatePolicy:
    """What the installation grants: the life of an Idempotency-Key."""

    idempotency_ttl: timedelta
    max_templates: int = MAX_TEMPLATES


class Templates:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, policy: TemplatePolicy) -> None:
        self._db = db
        self._policy = policy

    async def create(
        self, environment_id: str, name: str, definition: Definition, key: Fingerprint | None = None
    ) -> Made:
        """Make a template at version 1. Its name may be a starter's, which it then stands before.

        Raises Conflict TEMPLATE_EXISTS, TEMPLATE_LIMIT, and what `idempotency.claim` raises.
        """
        turn = new_id("tpl")
        async with self._db.begin(environment_id) as session:
            if key is not None:
                first = await claim(session, environment_id, key, turn, self._policy.idempotency_ttl)
                if first != turn:
                    return Made(_sure(await repository.find_by_id(session, environment_id, first)), True)
            most = self._policy.max_templates
            if await repository.count(session, environment_id) >= most:
                raise Conflict(_TOO_MANY.format(most=most), code="TEMPLATE_LIMIT")
            if not await repository.add(session, environment_id, turn, name, definition):
                raise Conflict(_EXISTS.format(name=name), code="TEMPLATE_EXISTS")
            return Made(_sure(await repository.find_by_id(session, environment_id, turn)), False)

    async def change(
        self, environment_id: str, name: str, definition: Definition, based_on: int | None = None
    ) -> TemplateView:
        """Make the next version of a template; what changes nothing makes none.

        `based_on` is the version that the caller has seen. Raises NotFound; Conflict TEMPLATE_CHANGED
        when there is a newer one, TEMPLATE_IS_STARTER, TEMPLATE_LIMIT.
        """
        async with self._db.begin(environment_id) as session:
            if not await repository.lock(session, environment_id, name):
                raise _not_there(name)
            newest = _sure(await repository.find(session, environment_id, Reference(name)))
            # The same said again, by a caller whose first answer was lost, is as good as the first time.
            known = (None, newest.version, newest.version - 1)
            if _is_same(newest.definition, definition) and based_on in known:
                return newest
            if based_on not in (None, newest.version):
                raise Conflict(_CHANGED.format(version=newest.version), code="TEMPLATE_CHANGED")
            if newest.version >= MAX_VERSIONS:
                raise Conflict(_TOO_OFTEN.format(most=MAX_VERSIONS), code="TEMPLATE_LIMIT")
            await repository.add_version(session, environment_id, name, newest.version + 1, definition)
            return _sure(await repository.find(session, environment_id, Reference(name)))

    async def get(self, environment_id: str, reference: Reference) -> TemplateView:
        """Return the template, an own one before a starter of the same name. Raises NotFound."""
        async with self._db.begin(environment_id) as session:
            own = await repository.find(session, environment_id, reference)
            if own is not None:
                return own
            starter = starters().get(reference.name)
            if starter is None or await repository.names_among(session, environment_id, [reference.name]):
                raise NotFound("template")
        if reference.version not in (None, starter.version):
            raise NotFound("template")
        return starter

    async def list(
        self, environment_id: str, limit: int, cursor: str | None = None, *, is_starter: bool | None = None
    ) -> Page:
        """Return templates by name, own ones and starters. Raises RequestInvalid CURSOR_INVALID."""
        after = parse_cursor(cursor)
        async with self._db.begin(environment_id) as session:
            own = await repository.find_many(session, environment_id, limit + 1, after)
            taken = await repository.names_among(session, environment_id, list(starters()))
        free = [view for name, view in starters().items() if name > after and name not in taken]
        found = [] if is_starter else own
        found += [] if is_starter is False else free
        found = sorted(found, key=lambda view: view.name)
        shown = tuple(found[:limit])
        return Page(shown, render_cursor(shown[-1].name) if len(found) > limit else None)

    async def delete(self, environment_id: str, name: str) -> None:
        """Delete a template and its versions; jobs keep the schema that they took from it.

        Raises NotFound; Conflict TEMPLATE_IS_STARTER.
        """
        async with self._db.begin(environment_id) as session:
            if not await repository.remove(session, environment_id, name):
                raise _not_there(name)


def _is_same(one: Definition, other: Definition) -> bool:
    """Compare with the order of the schema's properties, in which the data comes."""
    return one == other and json.dumps(one.schema) == json.dumps(other.schema)


def _not_there(name: str) -> NotFound | Conflict:
    if name in starters():
        return Conflict(_STARTER.format(name=name), code="TEMPLATE_IS_STARTER")
    return NotFound("template")


def _sure(view: TemplateView | None) -> TemplateView:
    if view is None:
        raise NotFound("template")
    return view
