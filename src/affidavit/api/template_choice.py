"""Find out at the door what a submission is to fill: a schema of its own, or a template's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from affidavit.api.operation_wire import parameters_in
from affidavit.api.parsing import escaped
from affidavit.api.wire import ExtractBody, ExtractItem
from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.spec import Operation, Options
from affidavit.errors import FieldError, RequestInvalid
from affidavit.jobs.submission import Asked, TemplateRef
from affidavit.templates.reference import Reference
from affidavit.templates.service import Templates
from affidavit.templates.views import TemplateView


@dataclass(frozen=True, slots=True)
class Filling:
    """What a job is to do: the plain schema and where it was taken from, the options, the parameters.

    `review` is what the template says of reviews. `asked` is what the caller said, by which a replay is
    known.
    """

    options: Options
    asked: Asked
    schema: dict[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    template: TemplateRef | None = None
    review: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Chooser:
    """Looks at the submissions of one environment, with its templates."""

    templates: Templates
    environment_id: str

    async def choose(self, operation: Operation, body: Any, pointer: str) -> Filling:
        """Return what a submission, or an item of a batch, asks for; `pointer` is its place in the request.

        Raises RequestInvalid SCHEMA_INVALID, TEMPLATE_AND_SCHEMA, or for neither; NotFound.
        """
        if isinstance(body, ExtractBody | ExtractItem):
            return await self._extract(body, pointer)
        said = parameters_in(operation, body)
        filling = Filling(body.options, Asked(None, None, body.options, said), parameters=said)
        return replace(filling, parameters=await self._filled(said, pointer))

    async def _extract(self, body: ExtractBody | ExtractItem, pointer: str) -> Filling:
        asked = Asked(body.json_schema, body.template, body.options, review=body.review)
        found = await self._find(body.json_schema, body.template, pointer)
        if isinstance(found, dict):
            return Filling(body.options, asked, found)
        return Filling(
            options=merged(found, body.options),
            asked=asked,
            schema=found.definition.schema,
            template=TemplateRef(found.name, found.version, found.id),
            review=found.definition.review,
        )

    async def _filled(self, said: Mapping[str, Any], pointer: str) -> dict[str, Any]:
        """Return the parameters with the schema in each step, or job to be, that fills one."""
        filled = dict(said)
        if "steps" in said:
            steps = enumerate(said["steps"])
            filled["steps"] = [await self._fill(step, f"{pointer}/steps/{index}") for index, step in steps]
        if "child_jobs" in said:
            wishes: Mapping[str, Any] = said["child_jobs"]
            filled["child_jobs"] = {
                topic: await self._fill(wish, f"{pointer}/child_jobs/{escaped(topic)}")
                for topic, wish in wishes.items()
            }
        return filled

    async def _fill(self, wish: dict[str, Any], pointer: str) -> dict[str, Any]:
        if wish["operation"] != Operation.EXTRACT:
            return wish
        found = await self._find(wish.get("schema"), wish.get("template"), pointer)
        if isinstance(found, TemplateView):
            return {
                **wish,
                "template": f"{found.name}@{found.version}",
                "schema": found.definition.schema,
            }
        return {**wish, "schema": found}

    async def _find(
        self, schema: dict[str, Any] | None, template: str | None, pointer: str
    ) -> dict[str, Any] | TemplateView:
        """Return the caller's own schema in plain, or the template that it names."""
        if schema is not None and template is not None:
            raise RequestInvalid(
                "Give a template or a schema, not both: a template brings its own schema.",
                code="TEMPLATE_AND_SCHEMA",
                errors=[
                    FieldError(f"{pointer}/template", "excludes schema", "ambiguous"),
                    FieldError(f"{pointer}/schema", "excludes template", "ambiguous"),
                ],
            )
        if schema is not None:
            return read_caller_schema(schema, f"{pointer}/schema")
        if template is None:
            raise RequestInvalid(
                f"{pointer}/schema: is missing. Give a schema, or the name of a template.",
                errors=[FieldError(f"{pointer}/schema", "is missing", "missing")],
            )
        return await self.templates.get(self.environment_id, Reference.parse(template))


def read_caller_schema(raw: Mapping[str, Any], pointer: str) -> dict[str, Any]:
    """Return a caller's schema as plain JSON Schema. Raises RequestInvalid SCHEMA_INVALID."""
    try:
        return read_schema(raw).schema
    except SchemaInvalid as error:
        raise RequestInvalid(
            error.message,
            code=error.code,
            errors=[FieldError(f"{pointer}{error.path}", error.message, error.code.lower())],
        ) from None


def merged(template: TemplateView, options: Options) -> Options:
    """Return the template's options with what the submission itself says laid over them."""
    said = options.model_dump(mode="json", exclude_unset=True)
    return Options.model_validate(_laid_over(template.definition.options, said))


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    laid = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            laid[name] = _laid_over(below[name], above[name])
    return laid
