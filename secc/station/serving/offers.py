"""What an outlet offers a session that begins now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hal.ports import Board
from secc.config import LabOrders, OutletSettings, Tls
from secc.outlet import Plugin
from secc.protocols import editions
from secc.session.effects import Provisioning
from secc.session.offer import Offer, Payment
from secc.session.protocol import V2gProtocol
from secc.station.serving.orders import Orders
from secc.station.serving.supplies import supplies
from secc.station.shared.services import Services
from secc.uplink.policy import offers_contract


def refusal(orders: Orders, services: Services) -> str:
    """Returns why no car can charge at this outlet now, by any payment; empty if one can."""
    if services.unbooked:
        return f"no session could be booked: {services.unbooked}"
    settings = orders.settings
    tls = settings.tls is not Tls.OFF and bool(services.identity.contexts)
    if settings.tls is Tls.REQUIRED and not tls:
        return "tls is 'required', and no chain of the keystore can be used"
    if Payment.EXTERNAL in settings.payments:
        return ""
    if contract_possible(settings, services, secure=tls, identified=False, spoken=orders.spoken):
        return ""
    return "only contract is offered, and no contract can be judged: look at roots, chain and clock"


def contract_possible(
    settings: OutletSettings, services: Services, *, secure: bool, identified: bool, spoken: Iterable[V2gProtocol]
) -> bool:
    """Returns whether one of these protocols can carry a contract, and the station can check and
    accept it.

    Without a calendar that can judge a certificate the station would refuse every contract, after
    the car has shown it. (A-PKI-06)
    """
    return (
        Payment.CONTRACT in settings.payments
        and services.trust is not None
        and any(map(services.trust.knows_contracts, editions(spoken)))
        and (services.calendar.wall().trusted or services.config.trust.danger_floor_suffices)
        and offers_contract(
            services.uplink.policy,
            online=services.uplink.online,
            tls=secure,
            certificate_valid=bool(services.identity.contexts),
            identified=identified,
        )
    )


def offer_for(
    orders: Orders, services: Services, board: Board, plugin: Plugin, protocol: V2gProtocol, *, secure: bool
) -> Offer:
    """Returns the offer of an outlet with these orders of a lab; ``secure``: the connection is TLS."""
    settings, ordered = orders.settings, orders.now
    now = asyncio.get_running_loop().time()
    config, authorized = services.config, plugin.eim_authorized(now)
    contract = contract_possible(settings, services, secure=secure, identified=authorized, spoken=(protocol,))
    payments = plugin.payments(now, contract=contract)
    # A message without a payment option cannot be sent.
    allowed = tuple(payment for payment in payments if payment in settings.payments) or (Payment.EXTERNAL,)
    able = supplies(settings, board)
    return Offer(
        evse_id=settings.evse_id,
        transfers=able.transfers,
        ac=able.ac,
        dc=able.dc,
        payments=allowed,
        eim_authorized=authorized,
        free=plugin.settings.free,
        meter_id=settings.meter_id or (board.meter.identity if board.meter is not None else ""),
        eim_seconds=config.timing.eim_seconds,
        renegotiates_dc=settings.renegotiate_dc,
        no_power_seconds=config.timing.no_power_seconds,
        tls=secure,
        announce_expiry=config.trust.announce_expiry,
        backend_lost_at=services.uplink.lost_at,
        paused=plugin.state.paused,
        plans=services.uplink.plans or ordered.tariff,
        plan_seconds=config.timing.schedule_seconds,
        provisioning=tuple(Provisioning) if settings.provisioning and services.uplink.provisions else (),
        internet=settings.internet,
        services=orders.services,
        meter_detail=ordered.meter_info,
        ongoing=frozenset(phase.value for phase in ordered.ongoing),
        receipt_seconds=_receipt_seconds(ordered, services),
        tolerances=frozenset(config.lab.tolerate),
        strict=config.lab.strict,
    )


def _receipt_seconds(orders: LabOrders, services: Services) -> float | None:
    """Returns how often a metering receipt is demanded; None: it is not, or could not be stored."""
    if not services.uplink.takes_receipts:
        return None
    if orders.receipts:
        return 0.0
    return services.config.timing.receipt_seconds if services.uplink.policy.request_metering_receipt else None
