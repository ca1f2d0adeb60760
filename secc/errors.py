"""The error tree, by cause.

A :class:`PeerError` is caused by the car (a frame, a message, a signature, silence), an
:class:`UplinkError` by the backend, a :class:`ConfigError` by the operator. Trust and hardware have
their own trees (``certs.errors.TrustError``, ``hal.HalError``), because those packages are
independent. Expected outcomes (a rejected token, an insulation fault) are values, not exceptions.
Any other exception is a bug and is caught only by the caller of a conversation.
"""

from __future__ import annotations

from pathlib import Path


class SeccError(Exception):
    """Base of all errors that the stack raises itself."""


class PeerError(SeccError):
    """The car did something that ends this exchange."""


class FramingError(PeerError):
    """Octets that are not a V2GTP, SDP or TLS frame. ``fatal``: the stream cannot be
    resynchronised.
    """

    def __init__(self, text: str, *, fatal: bool = True) -> None:
        super().__init__(text)
        self.fatal = fatal


class DecodeError(PeerError):
    """Octets that are not an EXI stream of the schema. Decoding raises nothing else."""


class Refusal(PeerError):
    """A request is answered with this response code, and the session ends.

    ``code`` is the literal of the protocol's ResponseCode, ``clause`` the requirement (or document)
    for it, ``detail`` the cause, for log and trace, without contract data. ``flaw`` is the cause's
    stable name, if it has one (``signature.digest``).
    """

    def __init__(self, code: str, clause: str, detail: str = "", flaw: str = "") -> None:
        super().__init__(f"{code} {clause}" + (f": {detail}" if detail else ""))
        self.code = str(code)
        self.clause = clause
        self.detail = detail
        self.flaw = flaw


class SignatureRejected(PeerError):
    """An XML signature over EXI fragments is not valid; ``flaw`` names why."""

    def __init__(self, flaw: str, detail: str = "") -> None:
        super().__init__(flaw + (f": {detail}" if detail else ""))
        self.flaw = flaw
        self.detail = detail


class ChallengeRejected(PeerError):
    """The signed challenge is not the one of this session."""


class EncodeError(SeccError):
    """A message of the station breaks the schema: a bug of the station."""


class UplinkError(SeccError):
    """The backend cannot be reached, or its answer is not usable."""


class ConfigError(SeccError):
    """A setting is wrong; raised at the start. ``where`` is file and line, ``path`` the dotted name
    of the setting.
    """

    def __init__(self, path: str, hint: str, where: Path | str | None = None, line: int | None = None) -> None:
        place = "" if where is None else f"{where}:{line}: " if line else f"{where}: "
        super().__init__(f"{place}{path}: {hint}")
        self.path = path
        self.hint = hint
        self.where = where
        self.line = line
