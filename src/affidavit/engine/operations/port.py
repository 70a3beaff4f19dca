"""What an operation is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from affidavit.engine.model import ModelRequest, Replies
from affidavit.engine.result import Document
from affidavit.engine.source import Source
from affidavit.engine.spec import Spec

__all__ = ["Artifact", "Context", "Finished", "ModelRequest", "Prompting", "Replies", "Runnable"]


@dataclass(frozen=True, slots=True)
class Context:
    """A document that was read, and what is asked about it.

    `source` are the file's bytes, there for an operation that says that it needs them. `others` are
    further documents, for an operation that looks at several.
    """

    document: Document
    spec: Spec
    source: Source | None = None
    others: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that an operation made. The name is unique in its job: `invoice-p3-5.pdf`, say."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of an operation: what the result shows, and files beside it."""

    outcome: BaseModel
    artifacts: tuple[Artifact, ...] = field(default=())


class Runnable(Protocol):
    """The module of an operation. Raises EngineError for what it refuses."""

    def run(self, context: Context, parameters: Any, replies: Replies) -> Finished:
        """Do it. `replies` answer what `prompts` asked; none when no model was asked, or none answered."""


class Prompting(Protocol):
    """What the module of an operation has beside, when a model can help it."""

    def prompts(self, context: Context, parameters: Any, replies: Replies) -> Sequence[ModelRequest]:
        """Return what is to be asked next, given all replies so far; nothing when it can be run."""
