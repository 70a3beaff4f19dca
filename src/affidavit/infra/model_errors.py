"""Why a language model gave no answer, each with the code that the error of a job has."""

from __future__ import annotations

from typing import ClassVar


class ModelFailure(Exception):
    """Base of all. `retry_after` is what the server asked to wait, in seconds.

    Messages are public and hold nothing that was sent or received.
    """

    code: ClassVar[str] = "MODEL_UNAVAILABLE"
    retryable: ClassVar[bool] = False
    is_general: ClassVar[bool] = True  # the next request would fail alike

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class ModelUnavailable(ModelFailure):
    """No connection, or one that broke before the whole reply was there."""

    retryable = True

    def __init__(self) -> None:
        super().__init__("The language model could not be reached, or broke off. Try again later.")


class ModelBusy(ModelFailure):
    """The server says that it cannot now."""

    retryable = True

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("The language model has no room for more now. Try again later.", retry_after)


class ModelTimedOut(ModelFailure):
    code = "MODEL_TIMEOUT"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The language model did not answer in time. Try again, or ask for fewer pages.")


class ModelRejected(ModelFailure):
    """A redirect, a missing key, an unknown model: nothing that another try could mend."""

    code = "MODEL_REJECTED"

    def __init__(self, status: int) -> None:
        super().__init__(
            f"The language model's server answered {status} to our request, which its operator has to mend."
        )


class ModelRefused(ModelFailure):
    code = "MODEL_REFUSED"
    is_general = False

    def __init__(self) -> None:
        super().__init__("The language model refused to answer. Use another, or set options.model to none.")


class ModelReplyInvalid(ModelFailure):
    code = "MODEL_REPLY_INVALID"
    is_general = False

    def __init__(self) -> None:
        super().__init__("What the language model's server sent is no chat completion.")


class ModelLimitReached(ModelFailure):
    code = "MODEL_LIMIT"
    is_general = False

    def __init__(self, what: str = "The request or the reply is too large for the language model.") -> None:
        super().__init__(f"{what} Ask for fewer pages, or use a smaller schema.")
