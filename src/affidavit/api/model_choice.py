"""Refuse at the door what asks for a language model that the installation does not have."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.engine.errors import ModelNotConfigured
from affidavit.engine.spec import NO_MODEL, Options
from affidavit.errors import FieldError, RequestInvalid


def judge_model(options: Options, known: Sequence[str], pointer: str, *, is_needed: bool = False) -> None:
    """Raise RequestInvalid MODEL_NOT_CONFIGURED unless there is the model that the options ask for.

    `is_needed`: the operation can do nothing without one.
    """
    if options.is_model_named and options.model not in known:
        raise _refusal(f"there is {', '.join(known) or 'no model'} here", pointer)
    if is_needed and not known:
        raise _refusal("this operation needs a model, and the installation has none", pointer)
    if is_needed and options.model == NO_MODEL:
        raise _refusal("this operation needs a model", pointer)


def _refusal(reason: str, pointer: str) -> RequestInvalid:
    return RequestInvalid(
        f"options.model: {reason}.",
        code=ModelNotConfigured.code,
        errors=[FieldError(f"{pointer}/options/model", reason, "model_not_configured")],
    )
