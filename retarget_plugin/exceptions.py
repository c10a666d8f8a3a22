"""Every error this package raises on purpose: one root, three families."""

from __future__ import annotations


class RetargetError(Exception):
    """Root of all errors raised on purpose by retarget_plugin."""


class ConfigurationError(RetargetError):
    """The host project is set up wrongly; the message names the line to add or change."""


class Refusal(RetargetError):
    """An expected "no" with a machine-readable reason. Recorded, never logged as an error."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class InputError(RetargetError):
    """What a stranger sent cannot be taken. `code` is for machines; `message` may be shown and never repeats the input."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


class TemplateError(Refusal):
    """A message template cannot be parsed or rendered. `line` and `column` count from 1; 0 means unknown."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, part: str = "") -> None:
        super().__init__("template_error", message)
        self.line = line
        self.column = column
        self.part = part

    def __str__(self) -> str:
        place = f" (line {self.line}, column {self.column})" if self.line else ""
        part = f"{self.part}: " if self.part else ""
        return f"{part}{self.args[0]}{place}"


class GatewayError(RetargetError):
    """A provider or the way to it failed. `outcome` is an OutcomeKind value; `retry_after` is in seconds."""

    def __init__(
        self, message: str, *, gateway: str, outcome: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.gateway = gateway
        self.outcome = outcome
        self.status = status
        self.retry_after = retry_after


class SignatureError(GatewayError):
    """A webhook's signature or secret is missing or wrong; nothing in its body may be believed."""

    def __init__(self, message: str, *, gateway: str) -> None:
        super().__init__(message, gateway=gateway, outcome="rejected", status=403)
