"""Defaults that depend on other settings, and settings that contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secc.config.choices import FIRST_DYNAMIC_PORT, PLAIN_PORT, Tls
from secc.config.outlet import OutletSettings
from secc.config.parser import Wrong
from secc.config.services import unique
from secc.config.settings import Config
from secc.config.spoken import obstacle, spoken
from secc.link.slac.timing import SLAC_INIT_RANGE
from secc.protocols import protocols
from secc.session.offer import Payment
from secc.session.protocol import Transport
from secc.session.services import MOST_SERVICES
from secc.trace.quirks import on_request
from secc.uplink.standalone import Eim


def complete(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the file's tree with the defaults that depend on other settings. The parser reports
    values of a wrong shape.
    """
    result = dict(tree)
    trust = result.get("trust")
    trust = trust if isinstance(trust, Mapping) else {}
    outlets = result.get("outlet", [{}])
    if isinstance(outlets, list):
        result["outlet"] = [_complete_outlet(outlet, number, trust) for number, outlet in enumerate(outlets)]
    return result


def _complete_outlet(outlet: Any, number: int, trust: Mapping[str, Any]) -> Any:
    if not isinstance(outlet, Mapping):
        return outlet
    named = outlet.get("protocols")
    # Protocols that are not named change no default.
    only = [each for each in protocols() if isinstance(named, list) and each.key in named]
    contracts = not only or any(each.edition for each in only)
    secure = not only or any(each.transports != {Transport.PLAIN} for each in only)
    both = contracts and "keystore" in trust and "truststore" in trust
    payments = outlet.get("payments", ["contract", "external"] if both else ["external"])
    offered = Tls.OFFERED if secure and "keystore" in trust else Tls.OFF
    tls = Tls.REQUIRED if payments == ["contract"] else offered
    return {"name": str(number + 1), "payments": payments, "tls": tls.value, **outlet}


def check(config: Config) -> None:
    """Raises :class:`Wrong` if settings contradict each other."""
    for number, outlet in enumerate(config.outlets):
        _check_outlet(config, outlet, ("outlet", number))
    _check_neighbours(config.outlets)
    free = config.uplink.eim is Eim.FREE
    if free and not any(Payment.EXTERNAL in outlet.payments for outlet in config.outlets):
        raise Wrong(("uplink", "eim"), "is free, but no outlet offers external payment")
    if config.uplink.receipts is None:
        demanding = {
            ("uplink", "RequestMeteringReceipt"): config.uplink.request_metering_receipt,
            ("lab", "orders", "receipts"): config.lab.orders.receipts,
        }
        for path in (path for path, demanded in demanding.items() if demanded):
            raise Wrong(path, "is set, but uplink.receipts names no file for the receipts")
    elif config.uplink.receipts == config.uplink.sessions:
        raise Wrong(("uplink", "receipts"), "is the file of uplink.sessions, too; they need one each")
    if config.trust.revoked is not None and config.trust.truststore is None:
        raise Wrong(("trust", "revoked"), "is set, but trust.truststore names no roots to accept certificates by")
    if config.lab.strict and config.lab.tolerate:
        raise Wrong(("lab", "tolerate"), "tolerates what lab.strict switches off")
    if config.lab.strict and config.timing.answer_seconds:
        raise Wrong(("timing", "answer_seconds"), "delays answers, which lab.strict switches off")
    for number, code in enumerate(config.lab.tolerate):
        if code not in (tolerable := on_request()):
            known = ", ".join(sorted(tolerable))
            raise Wrong(("lab", "tolerate", number), f"{code} cannot be asked for; there are: {known}")
    _check_orders(config)
    if len(str(config.control_socket.absolute()).encode()) > 107:
        path = ("station", "control_socket" if config.station.control_socket is not None else "state_directory")
        raise Wrong(path, "makes a path of the control socket that is longer than the 107 octets that Linux allows")


def _check_orders(config: Config) -> None:
    path, orders = ("lab", "orders"), config.lab.orders
    if not orders.enabled and (given := next(iter(orders.plain()), None)) is not None:
        raise Wrong((*path, given), "needs lab.orders.enabled = true")
    for outlet in config.outlets:
        orders.check(outlet, path)


def _check_outlet(config: Config, outlet: OutletSettings, path: tuple[str | int, ...]) -> None:
    port_allowed = outlet.port == 0 or outlet.port >= FIRST_DYNAMIC_PORT
    if not port_allowed and not (outlet.port == PLAIN_PORT and "Q-16" in config.lab.tolerate):
        old = f'{PLAIN_PORT} is for old tools and needs lab.tolerate = ["Q-16"]'
        raise Wrong((*path, "port"), f"must be 0 or from {FIRST_DYNAMIC_PORT} to 65535; {old}")
    if outlet.tls is not Tls.OFF and config.trust.keystore is None:
        raise Wrong((*path, "tls"), f"is {outlet.tls.value!r}, but trust.keystore names no certificates")
    if Payment.CONTRACT in outlet.payments:
        if outlet.tls is Tls.OFF:
            raise Wrong((*path, "payments"), "offers contract, which needs TLS, but tls is 'off'")
        if config.trust.truststore is None:
            raise Wrong((*path, "payments"), "offers contract, but trust.truststore names no roots to check one with")
    if config.lab.strict and outlet.slac_init_seconds < SLAC_INIT_RANGE[0]:
        raise Wrong((*path, "slac_init_seconds"), f"is below the {SLAC_INIT_RANGE[0]:g} s that lab.strict asks for")
    _check_protocols(outlet, path)
    _check_services(config, outlet, path)
    dc, ac = outlet.dc, outlet.ac
    _in_order((*path, "dc"), "volts", dc.minimum_volts, dc.maximum_volts)
    _in_order((*path, "dc"), "amperes", dc.minimum_amperes, dc.maximum_amperes)
    _in_order((*path, "ac"), "amperes", ac.minimum_amperes, ac.maximum_amperes)


def _check_protocols(outlet: OutletSettings, path: tuple[str | int, ...]) -> None:
    if not outlet.protocols:
        return
    heard = spoken(outlet, protocols())
    if not heard:
        first = next(each for each in protocols() if each.key == outlet.protocols[0])
        raise Wrong((*path, "protocols"), f"leaves nothing to speak: {first.key!r} {obstacle(outlet, first)}")
    if outlet.tls is not Tls.OFF and all(each.transports == {Transport.PLAIN} for each in heard):
        raise Wrong((*path, "tls"), f"is {outlet.tls.value!r}, but the outlet speaks nothing that runs on TLS")
    if Payment.CONTRACT in outlet.payments and not any(each.edition for each in heard):
        raise Wrong((*path, "payments"), "offers contract, but the outlet speaks nothing that can carry one")


def _check_services(config: Config, outlet: OutletSettings, path: tuple[str | int, ...]) -> None:
    if outlet.internet and outlet.tls is Tls.OFF:
        raise Wrong((*path, "internet"), "is offered over TLS only, but tls is 'off'")
    unique(tuple(service.number for service in outlet.services), (*path, "service"), "id")
    for number, service in enumerate(outlet.services):
        if service.tls_only and outlet.tls is Tls.OFF:
            raise Wrong((*path, "service", number, "tls_only"), "is true, but tls of the outlet is 'off'")
        service.check((*path, "service", number))
    certificates = outlet.provisioning and config.uplink.provisioning is not None
    if (count := len(outlet.services) + bool(outlet.internet) + certificates) > MOST_SERVICES:
        what = f"{count} services with internet access and certificates"
        raise Wrong((*path, "service"), f"has {what}; cars can be sent {MOST_SERVICES}")


def _in_order(path: tuple[str | int, ...], unit: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise Wrong((*path, f"minimum_{unit}"), f"is {low:g}, more than maximum_{unit} = {high:g}")


def _check_neighbours(outlets: tuple[OutletSettings, ...]) -> None:
    seen: dict[object, str] = {}
    for number, outlet in enumerate(outlets):
        for key, value, what in (
            ("name", outlet.name, "the name"),
            ("evse_id", outlet.evse_id if outlet.evse_id != "ZZ00000" else None, "the EVSEID"),
            ("sdp_port", (outlet.interface, outlet.sdp_port), "the interface and SDP port"),
            ("port", (outlet.interface, outlet.port) if outlet.port else None, "the interface and TCP port"),
        ):
            if value is not None and (key, value) in seen:
                raise Wrong(("outlet", number, key), f"repeats {what} of outlet {seen[key, value]!r}")
            seen[key, value] = outlet.name
