"""Flaws of a car, and the register of their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from secc.iso2.messages import Body, V2G_Message
from secc.session.supported_app_protocol import SupportedAppProtocolReq

F = TypeVar("F", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class RawPayload:
    """Octets sent as the payload of a V2GTP frame."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class RawOctets:
    """Octets sent without a frame."""

    octets: bytes


Outgoing: TypeAlias = V2G_Message | SupportedAppProtocolReq | RawPayload | RawOctets


@dataclass(frozen=True, slots=True)
class Flaw:
    """One flaw: changes to a body before signing, changes to a message before sending, and pilot
    states that the car avoids.
    """

    name: str
    wrong: str
    before_signing: Callable[[Body], Body] = lambda body: body
    after_signing: Callable[[Outgoing], tuple[Outgoing, ...]] = lambda message: (message,)
    stays_out_of: str = ""


FLAWS: Final[dict[str, Flaw]] = {}
"""Every flaw by name; complete once ``flaws`` is imported."""


def register(flaw: Flaw) -> None:
    """One name, one flaw."""
    assert flaw.name not in FLAWS
    FLAWS[flaw.name] = flaw


def _named(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__name__.replace("_", "-"), (function.__doc__ or "").strip()


def body_flaw(*kinds: type[Body]) -> Callable[[F], F]:
    """Register a change to bodies of these kinds before they are signed."""

    def registered(bend: F) -> F:
        register(Flaw(*_named(bend), before_signing=lambda body: bend(body) if isinstance(body, kinds) else body))
        return bend

    return registered


def message_flaw(*kinds: type) -> Callable[[F], F]:
    """Register a change to whole messages with bodies of these kinds, after signing, or to the list
    of protocols. It returns the messages to send.
    """

    def registered(bend: F) -> F:
        def after(message: Outgoing) -> tuple[Outgoing, ...]:
            bent = isinstance(message.body if isinstance(message, V2G_Message) else message, kinds)
            return tuple(bend(message)) if bent else (message,)

        register(Flaw(*_named(bend), after_signing=after))
        return bend

    return registered
