"""What it is to be wrong in one way, and the list in which every such way has its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from secc.iso2.messages import Body, V2G_Message
from secc.session.supported_app_protocol import SupportedAppProtocolReq


@dataclass(frozen=True, slots=True)
class RawPayload:
    """Octets sent as the payload of a V2GTP frame, whatever they are."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class RawOctets:
    """Octets sent as they are, without a frame."""

    octets: bytes


Outgoing: TypeAlias = V2G_Message | SupportedAppProtocolReq | RawPayload | RawOctets


@dataclass(frozen=True, slots=True)
class Flaw:
    """One way to be wrong: what becomes of a body before it is signed, of a message before it is sent, and pilot states not taken."""

    name: str
    wrong: str
    before_signing: Callable[[Body], Body] = lambda body: body
    after_signing: Callable[[Outgoing], tuple[Outgoing, ...]] = lambda message: (message,)
    stays_out_of: str = ""


REGISTERED: Final[dict[str, Flaw]] = {}
"""By name; whole once ``flaws`` is imported."""


def register(flaw: Flaw) -> None:
    """One name, one flaw."""
    assert flaw.name not in REGISTERED
    REGISTERED[flaw.name] = flaw


def _named(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__name__.replace("_", "-"), (function.__doc__ or "").strip()


def body_flaw(bend: Callable[[Body], Body]) -> Callable[[Body], Body]:
    """Registers what bends a body before it is signed."""
    register(Flaw(*_named(bend), before_signing=bend))
    return bend


def message_flaw(bend: Callable[[V2G_Message], tuple[Outgoing, ...]]) -> Callable[[V2G_Message], tuple[Outgoing, ...]]:
    """Registers what bends a whole message after it is signed."""

    def after(message: Outgoing) -> tuple[Outgoing, ...]:
        return bend(message) if isinstance(message, V2G_Message) else (message,)

    register(Flaw(*_named(bend), after_signing=after))
    return bend


def supported_flaw(
    bend: Callable[[SupportedAppProtocolReq], tuple[Outgoing, ...]],
) -> Callable[[SupportedAppProtocolReq], tuple[Outgoing, ...]]:
    """Registers what bends the list of protocols."""

    def after(message: Outgoing) -> tuple[Outgoing, ...]:
        return bend(message) if isinstance(message, SupportedAppProtocolReq) else (message,)

    register(Flaw(*_named(bend), after_signing=after))
    return bend
