"""The error tree: what can go wrong, by whose doing.

A :class:`PeerError` is the car's doing (a frame, a message, a signature, silence), an :class:`UplinkError` the backend's, a
:class:`ConfigError` the operator's. Trust and hardware have trees of their own (``certs.errors.TrustError``, ``hal.HalError``), because those
packages stand alone. Expected outcomes (a rejected token, a fault of the insulation) are values, not exceptions; anything outside these
trees is a bug and is caught only at the driver's edge.
"""

from __future__ import annotations

from pathlib import Path


class SeccError(Exception):
    """Base of everything that the stack raises on purpose."""


class PeerError(SeccError):
    """The other end of the cable did something that ends this exchange."""


class FramingError(PeerError):
    """Octets that are no V2GTP, SDP or TLS frame. ``fatal`` tells whether the stream can still be resynchronised."""

    def __init__(self, text: str, *, fatal: bool = True) -> None:
        super().__init__(text)
        self.fatal = fatal


class DecodeError(PeerError):
    """Octets that are no EXI stream of the schema at hand. The only exception that decoding raises."""


class Refusal(PeerError):
    """A request is answered with this response code, and the session ends.

    ``code`` is the literal of the protocol's ResponseCode, ``clause`` the requirement (or document) that asks for it,
    ``detail`` what exactly was wrong, for the log and the trace; it never holds contract data. ``flaw`` is its stable name, where it has one
    (``signature.digest``).
    """

    def __init__(self, code: str, clause: str, detail: str = "", flaw: str = "") -> None:
        super().__init__(f"{code} {clause}" + (f": {detail}" if detail else ""))
        self.code = str(code)
        self.clause = clause
        self.detail = detail
        self.flaw = flaw


class SignatureRejected(PeerError):
    """An XML signature over EXI fragments does not hold; ``flaw`` names why."""

    def __init__(self, flaw: str, detail: str = "") -> None:
        super().__init__(flaw + (f": {detail}" if detail else ""))
        self.flaw = flaw
        self.detail = detail


class ChallengeRejected(PeerError):
    """What was signed is not the challenge that we drew for this session."""


class EncodeError(SeccError):
    """A message of ours breaks the schema: a bug on our side, never the car's doing."""


class UplinkError(SeccError):
    """The backend cannot be reached, or answered with something that is no answer."""


class ConfigError(SeccError):
    """A setting is wrong; raised before anything runs. ``where`` is file and line, ``path`` the dotted name of the setting."""

    def __init__(self, path: str, hint: str, where: Path | str | None = None, line: int | None = None) -> None:
        place = "" if where is None else f"{where}:{line}: " if line else f"{where}: "
        super().__init__(f"{place}{path}: {hint}")
        self.path = path
        self.hint = hint
        self.where = where
        self.line = line
