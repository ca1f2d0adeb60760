"""What a recorded station of ISO 15118-2 offered, from its answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from secc.iso2 import messages as m
from secc.iso2.services import CERTIFICATES, INTERNET, INTERNET_SETS, PARAMETER_SETS
from secc.session.effects import Provisioning
from secc.session.offer import AcLimits, DcLimits, MeterDetail, Offer, Payment, Transfer
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService

from .exchanges import Exchange
from .iso2_schedules import meter_info, p_max, planned
from .values import quantity

T = TypeVar("T")

TRANSFERS: Final = {
    m.EnergyTransferMode.AC_SINGLE_PHASE_CORE: Transfer.AC_SINGLE_PHASE,
    m.EnergyTransferMode.AC_THREE_PHASE_CORE: Transfer.AC_THREE_PHASE,
}
"""All other modes are DC."""

PAYMENTS: Final = {
    m.PaymentOption.CONTRACT: Payment.CONTRACT,
    m.PaymentOption.EXTERNAL_PAYMENT: Payment.EXTERNAL,
}

NO_OTHER_RECEIPT: Final = 1e9
"""Seconds, where the recorded station demanded one receipt."""


def offered_contract(sessions: Iterable[Sequence[Exchange]]) -> bool:
    """Whether any session of a plug-in offered Contract: then its connections were TLS."""
    return any(
        m.PaymentOption.CONTRACT in res.payment_option_list.payment_option
        for exchanges in sessions
        for res in _all(exchanges, m.ServiceDiscoveryRes)
    )


def recorded_offer(exchanges: Sequence[Exchange], *, tls: bool, strict: bool, paused: object | None) -> Offer:
    """Returns the offer of one session. What its answers do not say stays as in ``Offer``."""
    setup = next(_all(exchanges, m.SessionSetupRes), None)
    services = next(_all(exchanges, m.ServiceDiscoveryRes), None)
    limits = [res.evse_charge_parameter for res in _all(exchanges, m.ChargeParameterDiscoveryRes)]
    ac = next((each for each in limits if isinstance(each, m.AC_EVSEChargeParameter)), None)
    dc = next((each for each in limits if isinstance(each, m.DC_EVSEChargeParameter)), None)
    plans = any(map(planned, exchanges))
    transfers = _transfers(services, is_dc=ac is None)
    phases = 3 if Transfer.AC_THREE_PHASE in transfers else 1
    payments = () if services is None else services.payment_option_list.payment_option
    return Offer(
        evse_id=Offer().evse_id if setup is None else setup.evse_id,
        transfers=transfers,
        ac=_ac(ac, phases) if any(not transfer.is_dc for transfer in transfers) else None,
        dc=_dc(dc) if Transfer.DC in transfers else None,
        payments=tuple(PAYMENTS[each] for each in payments) or (Payment.EXTERNAL,),
        free=services is not None and services.charge_service.free_service,
        watts_limit=None if plans else next((each for each in map(p_max, exchanges) if each is not None), None),
        plans=plans,
        meter_id=next((info.meter_id for info in map(meter_info, exchanges) if info is not None), ""),
        meter_detail=_meter_detail(exchanges),
        receipt_seconds=_receipt_seconds(exchanges),
        tls=tls,
        provisioning=_provisioning(exchanges, services),
        internet=_internet(exchanges, services),
        services=tuple(
            _vendor(service, _sets(exchanges, service.service_id))
            for service in _listed(services)
            if service.service_id not in (CERTIFICATES, INTERNET)
        ),
        paused=paused,
        strict=strict,
    )


def _meter_detail(exchanges: Sequence[Exchange]) -> MeterDetail:
    told = [info for info in map(meter_info, exchanges) if info is not None]
    identity = told and all(info.meter_reading is None for info in told)
    return MeterDetail.IDENTITY if identity else MeterDetail.READING


def _receipt_seconds(exchanges: Sequence[Exchange]) -> float | None:
    """Returns the seconds from one receipt to the next demand: between those after which the
    recorded station demanded none and those after which it did. None if it never did.
    """
    at, receipt_at = 0.0, math.inf
    demands, quiet, demanded = [], [0.0], False
    for exchange in exchanges:
        at += exchange.wait
        if exchange.name == "MeteringReceiptReq":
            receipt_at = at
        elif getattr(exchange.body, "receipt_required", None):
            demanded = True
            demands += [at - receipt_at] if at >= receipt_at else []
        elif meter_info(exchange) is not None:
            quiet += [at - receipt_at] if at >= receipt_at else []
    if not demanded:
        return None
    if not demands:
        return NO_OTHER_RECEIPT
    return (max(quiet) + min(demands)) / 2 if max(quiet) < min(demands) else min(demands)


def _all(exchanges: Iterable[Exchange], kind: type[T]) -> Iterator[T]:
    return (exchange.body for exchange in exchanges if isinstance(exchange.body, kind))


def _transfers(services: m.ServiceDiscoveryRes | None, *, is_dc: bool) -> tuple[Transfer, ...]:
    if services is None:
        return (Transfer.DC,) if is_dc else (Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE)
    modes = services.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    return tuple(dict.fromkeys(TRANSFERS.get(mode, Transfer.DC) for mode in modes))


def _ac(limits: m.AC_EVSEChargeParameter | None, phases: int) -> AcLimits:
    standard = AcLimits()
    if limits is None:
        return standard
    return AcLimits(
        volts=quantity(limits.evse_nominal_voltage) or standard.volts,
        maximum_amperes=_or(quantity(limits.evse_max_current), standard.maximum_amperes),
        phases=phases,
    )


def _dc(limits: m.DC_EVSEChargeParameter | None) -> DcLimits:
    if limits is None:
        return DcLimits()
    standard = DcLimits()
    return DcLimits(
        minimum_volts=_or(quantity(limits.evse_minimum_voltage_limit), standard.minimum_volts),
        maximum_volts=_or(quantity(limits.evse_maximum_voltage_limit), standard.maximum_volts),
        minimum_amperes=_or(quantity(limits.evse_minimum_current_limit), standard.minimum_amperes),
        maximum_amperes=_or(quantity(limits.evse_maximum_current_limit), standard.maximum_amperes),
        maximum_watts=_or(quantity(limits.evse_maximum_power_limit), standard.maximum_watts),
        ripple_amperes=_or(quantity(limits.evse_peak_current_ripple), standard.ripple_amperes),
    )


def _or(value: float | None, standard: float) -> float:
    return standard if value is None else value


def _listed(services: m.ServiceDiscoveryRes | None) -> tuple[m.Service, ...]:
    return () if services is None or services.service_list is None else services.service_list.service


def _sets(exchanges: Sequence[Exchange], service: int) -> dict[int, m.ParameterSet] | None:
    """Returns the parameter sets of a service by number; None if the car did not ask for them."""
    for details in _all(exchanges, m.ServiceDetailRes):
        if details.service_id == service:
            listed = details.service_parameter_list
            return {each.parameter_set_id: each for each in (() if listed is None else listed.parameter_set)}
    return None


def _provisioning(exchanges: Sequence[Exchange], services: m.ServiceDiscoveryRes | None) -> tuple[Provisioning, ...]:
    """Returns the parameter sets of the certificate service; both if it was offered, and the car
    did not ask for its details.
    """
    if CERTIFICATES not in {service.service_id for service in _listed(services)}:
        return ()
    sets = _sets(exchanges, CERTIFICATES)
    return tuple(kind for kind, number in PARAMETER_SETS.items() if not sets or number in sets)


def _internet(exchanges: Sequence[Exchange], services: m.ServiceDiscoveryRes | None) -> tuple[Internet, ...]:
    """Returns the parameter sets of internet access, in the same way."""
    if INTERNET not in {service.service_id for service in _listed(services)}:
        return ()
    sets = _sets(exchanges, INTERNET)
    return tuple(kind for kind, (number, _, _) in INTERNET_SETS.items() if not sets or number in sets)


def _vendor(service: m.Service, sets: dict[int, m.ParameterSet] | None) -> VendorService:
    return VendorService(
        service.service_id,
        service.service_name or "",
        service.service_scope or "",
        service.free_service,
        tls_only=False,
        parameter_sets=tuple(
            ServiceParameterSet(number, tuple(map(_parameter, each.parameter))) for number, each in (sets or {}).items()
        ),
    )


def _parameter(parameter: m.Parameter) -> ServiceParameter:
    physical = parameter.physical_value
    if physical is not None:
        return ServiceParameter(parameter.name, Kind.PHYSICAL, quantity(physical) or 0.0, physical.unit.value)
    values = {kind: getattr(parameter, f"{kind.value}_value") for kind in Kind if kind is not Kind.PHYSICAL}
    return next(ServiceParameter(parameter.name, kind, value) for kind, value in values.items() if value is not None)
