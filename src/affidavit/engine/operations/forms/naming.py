"""Find the field that a caller names: by its name, the last part of it, or its label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from affidavit.engine.errors import FormFieldAmbiguous, FormFieldUnknown
from affidavit.engine.operations.shapes.forms import FormField
from affidavit.engine.stages.values.folding import squash


class Names:
    """The fields of a form by all that they may be called."""

    def __init__(self, fields: Iterable[FormField]) -> None:
        listed = list(fields)
        self._by_name = {each.name: each for each in listed}
        self._by_part = _grouped((each.name.rpartition(".")[2], each) for each in listed)
        self._by_label = _grouped(
            (label, each) for each in listed for label in {each.label, each.tooltip} if label
        )

    def field(self, name: str) -> FormField:
        """Return the one field of this name or label. Raises FormFieldUnknown, FormFieldAmbiguous."""
        if name in self._by_name:
            return self._by_name[name]
        for group in (self._by_part, self._by_label):
            found = group.get(squash(name), {})
            if len(found) > 1:
                raise FormFieldAmbiguous(name)
            if found:
                return next(iter(found.values()))
        raise FormFieldUnknown(name)


def _grouped(named: Iterable[tuple[str, FormField]]) -> Mapping[str, dict[str, FormField]]:
    groups: dict[str, dict[str, FormField]] = {}
    for name, each in named:
        if squash(name):
            groups.setdefault(squash(name), {})[each.name] = each
    return groups
