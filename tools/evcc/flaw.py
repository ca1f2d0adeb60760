"""Flaws of a car, and the registers of their names: one for each protocol, and one for the list of
protocols.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class RawPayload:
    """Octets sent as the payload of a V2GTP frame."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class RawOctets:
    """Octets sent without a frame."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Flaw:
    """One flaw: changes to a body before signing, changes to a message before sending, pilot states
    that the car avoids, and steps that it does not wait for.

    A message is a request with its header, a list of protocols, or raw octets.
    """

    name: str
    wrong: str
    before_signing: Callable[[Any], Any] = lambda body: body
    after_signing: Callable[[Any], tuple[Any, ...]] = lambda message: (message,)
    stays_out_of: str = ""
    hurries: bool = False
    """Whether the car asks for power after one PreChargeRes, whatever the voltage."""


class Register(dict[str, Flaw]):
    """Flaws by name: one name, one flaw."""

    def add(self, flaw: Flaw) -> None:
        assert flaw.name not in self
        self[flaw.name] = flaw

    def body_flaw(self, *kinds: type) -> Callable[[F], F]:
        """Register a change to bodies of these kinds before they are signed."""

        def registered(bend: F) -> F:
            self.add(Flaw(*_named(bend), before_signing=lambda body: bend(body) if isinstance(body, kinds) else body))
            return bend

        return registered

    def message_flaw(self, *kinds: type) -> Callable[[F], F]:
        """Register a change to whole messages with bodies of these kinds, after signing, or to the
        list of protocols. It returns the messages to send.
        """

        def registered(bend: F) -> F:
            def after(message: Any) -> tuple[Any, ...]:
                bent = isinstance(getattr(message, "body", message), kinds)
                return tuple(bend(message)) if bent else (message,)

            self.add(Flaw(*_named(bend), after_signing=after))
            return bend

        return registered


def _named(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__name__.replace("_", "-"), (function.__doc__ or "").strip()
