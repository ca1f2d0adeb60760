"""The protocols of an outlet: which of those that the station has its settings and its hardware allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from secc.config.choices import Tls
from secc.config.outlet import OutletSettings
from secc.session.offer import Payment
from secc.session.protocol import Transport, V2gProtocol

_CARRIED: Final[Mapping[Tls, frozenset[Transport]]] = {
    Tls.OFF: frozenset({Transport.PLAIN}),
    Tls.OFFERED: frozenset(Transport),
    Tls.REQUIRED: frozenset(Transport) - {Transport.PLAIN},
}


def named(outlet: OutletSettings, protocols: Iterable[V2gProtocol]) -> tuple[V2gProtocol, ...]:
    """Returns the protocols that the settings name, or all if they name none."""
    return tuple(protocol for protocol in protocols if not outlet.protocols or protocol.key in outlet.protocols)


def spoken(outlet: OutletSettings, protocols: Iterable[V2gProtocol]) -> tuple[V2gProtocol, ...]:
    """Returns the protocols that an outlet with these settings speaks."""
    return tuple(protocol for protocol in named(outlet, protocols) if not obstacle(outlet, protocol))


def obstacle(outlet: OutletSettings, protocol: V2gProtocol) -> str:
    """Returns what in the other settings of an outlet keeps it from speaking ``protocol``; empty if
    nothing does.
    """
    if outlet.transfers and not protocol.transfers.intersection(outlet.transfers):
        return f"is for {_listed(protocol.transfers)} only"
    if not protocol.transports & _CARRIED[outlet.tls]:
        return f"runs on {_listed(each.value for each in protocol.transports)} only, and tls is {outlet.tls.value!r}"
    if protocol.edition is None and Payment.EXTERNAL not in outlet.payments:
        return "cannot carry a contract, and payments has nothing else"
    return ""


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
