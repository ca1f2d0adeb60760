"""What a configured outlet would have offered the recorded car."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from secc.config import Config, OutletSettings
from secc.config.spoken import spoken
from secc.errors import ConfigError
from secc.protocols import protocols
from secc.session.effects import Provisioning
from secc.session.offer import AcLimits, DcLimits, Offer
from secc.uplink.standalone import Eim


def configured(config: Config, name: str | None = None) -> Callable[[Offer], Offer]:
    """Returns the change of a recorded offer into that of an outlet; without a name of the first
    one. Raises ConfigError if there is no such outlet.

    The recorded station's limits are those of the hardware: the outlet's own hold within them.
    """
    return partial(_offer, config, _outlet(config, name))


def configured_protocols(config: Config, name: str | None = None) -> tuple[str, ...]:
    """Returns the keys of the protocols that this outlet speaks. Raises ConfigError in the same way."""
    return tuple(protocol.key for protocol in spoken(_outlet(config, name), protocols()))


def _outlet(config: Config, name: str | None) -> OutletSettings:
    for outlet in config.outlets:
        if name in (None, outlet.name):
            return outlet
    raise ConfigError("outlet", f"there is none of the name {name}")


def _offer(config: Config, outlet: OutletSettings, told: Offer) -> Offer:
    transfers = outlet.transfers or told.transfers
    ac, dc = told.ac or AcLimits(), told.dc or DcLimits()
    provisions = outlet.provisioning and config.uplink.provisioning is not None
    return replace(
        told,
        evse_id=outlet.evse_id,
        transfers=transfers,
        ac=None if all(transfer.is_dc for transfer in transfers) else outlet.ac.within(ac),
        dc=outlet.dc.within(dc) if any(transfer.is_dc for transfer in transfers) else None,
        payments=outlet.payments,
        free=config.uplink.eim is Eim.FREE,
        meter_id=outlet.meter_id or told.meter_id,
        eim_seconds=config.timing.eim_seconds,
        no_power_seconds=config.timing.no_power_seconds,
        renegotiates_dc=outlet.renegotiate_dc,
        announce_expiry=config.trust.announce_expiry,
        provisioning=tuple(Provisioning) if provisions else (),
        receipt_seconds=config.timing.receipt_seconds if config.uplink.request_metering_receipt else None,
        internet=outlet.internet,
        services=tuple(service.offered() for service in outlet.services),
        tolerances=frozenset(config.lab.tolerate),
        strict=told.strict or config.lab.strict,
    )
