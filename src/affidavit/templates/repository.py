"""The tables of templates, read and written in the caller's transaction."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.templates.models import Template, TemplateVersion
from affidavit.templates.reference import Reference
from affidavit.templates.views import Definition, TemplateView

_COLUMNS: Final = (
    Template.id,
    Template.name,
    TemplateVersion.version,
    TemplateVersion.description,
    TemplateVersion.schema,
    TemplateVersion.options,
    TemplateVersion.review,
    Template.created_at,
    TemplateVersion.created_at.label("updated_at"),
)


async def add(
    session: AsyncSession, environment_id: str, template_id: str, name: str, definition: Definition
) -> bool:
    """Insert a template with its first version; False when the name is taken."""
    row = {"environment_id": environment_id, "name": name, "id": template_id, "version": 1}
    statement = insert(Template).values(**row).on_conflict_do_nothing().returning(Template.id)
    if await session.scalar(statement) is None:
        return False
    await _add_version(session, environment_id, name, 1, definition)
    return True


async def add_version(
    session: AsyncSession, environment_id: str, name: str, version: int, definition: Definition
) -> None:
    """Insert the next version of a template that is locked."""
    mine = (Template.environment_id == environment_id) & (Template.name == name)
    await session.execute(update(Template).where(mine).values(version=version))
    await _add_version(session, environment_id, name, version, definition)


async def find(session: AsyncSession, environment_id: str, reference: Reference) -> TemplateView | None:
    """Return a version of a template, the newest when the reference names none."""
    version = Template.version if reference.version is None else reference.version
    statement = _versions(environment_id).where(
        Template.name == reference.name, TemplateVersion.version == version
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _view(row)


async def find_by_id(session: AsyncSession, environment_id: str, template_id: str) -> TemplateView | None:
    """Return the newest version of a template."""
    newest = (Template.id == template_id) & (TemplateVersion.version == Template.version)
    row = (await session.execute(_versions(environment_id).where(newest))).one_or_none()
    return None if row is None else _view(row)


async def find_many(session: AsyncSession, environment_id: str, limit: int, after: str) -> list[TemplateView]:
    """Return the newest versions of templates by name, later than the name `after`."""
    wanted = (Template.name > after) & (TemplateVersion.version == Template.version)
    statement = _versions(environment_id).where(wanted).order_by(Template.name).limit(limit)
    return [_view(row) for row in (await session.execute(statement)).all()]


async def names_among(session: AsyncSession, environment_id: str, names: list[str]) -> set[str]:
    """Return which of these names the environment has templates of."""
    statement = select(Template.name).where(
        Template.environment_id == environment_id, Template.name.in_(names)
    )
    return set((await session.execute(statement)).scalars())


async def lock(session: AsyncSession, environment_id: str, name: str) -> bool:
    """Keep others from changing a template until the end of the transaction; False when there is none."""
    mine = (Template.environment_id == environment_id) & (Template.name == name)
    return await session.scalar(select(Template.id).where(mine).with_for_update()) is not None


async def count(session: AsyncSession, environment_id: str) -> int:
    """Count the templates of an environment."""
    mine = Template.environment_id == environment_id
    return await session.scalar(select(func.count()).select_from(Template).where(mine)) or 0


async def remove(session: AsyncSession, environment_id: str, name: str) -> bool:
    """Delete a template with its versions; False when there is none."""
    mine = (Template.environment_id == environment_id) & (Template.name == name)
    return await session.scalar(delete(Template).where(mine).returning(Template.id)) is not None


async def _add_version(
    session: AsyncSession, environment_id: str, name: str, version: int, definition: Definition
) -> None:
    await session.execute(
        insert(TemplateVersion).values(
            environment_id=environment_id,
            name=name,
            version=version,
            description=definition.description,
            schema=definition.schema,
            options=definition.options,
            review=definition.review,
        )
    )


def _versions(environment_id: str) -> Select[Any]:
    is_of = (TemplateVersion.environment_id == Template.environment_id) & (
        TemplateVersion.name == Template.name
    )
    return select(*_COLUMNS).join(TemplateVersion, is_of).where(Template.environment_id == environment_id)


def _view(row: Row[Any]) -> TemplateView:
    return TemplateView(
        name=row.name,
        version=row.version,
        definition=Definition(row.schema, row.description, row.options, row.review),
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
