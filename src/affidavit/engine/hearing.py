"""Judge what a language model answered in one job: what the result says of it, or what ends the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from affidavit.engine.errors import model_error
from affidavit.engine.model import ModelRequest, Replies, answers_of
from affidavit.engine.result import ModelInfo
from affidavit.engine.spec import Options

RULES_ALONE = "No language model answered ({codes}): what stands here was made by rules alone."
IN_PART = "A language model answered only a part of what it was asked ({codes}); rules made the rest."


class Asked(BaseModel):
    """What the worker knows of a model that it asked. `failure` is the code of what kept it from asking."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str | None = None
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the result says of the model."""

    info: ModelInfo | None = None
    warnings: tuple[str, ...] = ()


def judge(
    requests: Sequence[ModelRequest], replies: Replies, asked: Asked | None, options: Options
) -> Hearing:
    """Return what to say of the replies to `requests`, which are all that were to be asked.

    `asked` is None when there is no model. Raises ModelError for a request without an answer when the
    caller had named the model: by itself, what rules can do then stands alone.
    """
    if asked is None or not (requests or asked.failure):
        return Hearing()
    answers = answers_of(requests, replies)
    codes = sorted({answer.error for answer in answers.values() if answer.error is not None})
    if asked.failure is not None:
        codes = [asked.failure]
    if codes and options.is_model_named:
        raise model_error(codes[0])
    heard = any(answer.error is None for answer in answers.values())
    said = (IN_PART if heard else RULES_ALONE).format(codes=", ".join(codes))
    return Hearing(_info(asked) if heard else None, (said,) if codes else ())


def _info(asked: Asked) -> ModelInfo:
    return ModelInfo(
        name=asked.name,
        version=asked.version,
        requests=asked.requests,
        input_tokens=asked.input_tokens,
        output_tokens=asked.output_tokens,
    )
