"""The services beside charging that ISO 15118-2 can carry, as its messages have them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from frozen import dataclass
from secc.iso2 import messages as m
from secc.iso2.units import physical
from secc.session.effects import Provisioning
from secc.session.offer import Offer
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet

CHARGING: Final = 1
"""The ServiceID of EV charging."""

CERTIFICATES: Final = 2
"""The ServiceID of the certificate service."""

INTERNET: Final = 3
"""The ServiceID of internet access."""

PARAMETER_SETS: Final = {Provisioning.INSTALLATION: 1, Provisioning.UPDATE: 2}
"""The parameter sets of the certificate service: one parameter, Service, with the value Installation
or Update.
"""

INTERNET_SETS: Final = {
    Internet.FTP_DATA: (1, "ftp", 20),
    Internet.FTP: (2, "ftp", 21),
    Internet.HTTP: (3, "http", 80),
    Internet.HTTPS: (4, "https", 443),
}
"""The parameter sets of internet access: number, and the parameters Protocol and Port."""

_FIELDS: Final = {
    Kind.BOOL: "bool_value",
    Kind.BYTE: "byte_value",
    Kind.SHORT: "short_value",
    Kind.INT: "int_value",
    Kind.STRING: "string_value",
}


@dataclass(frozen=True, slots=True)
class OfferedService:
    """One service on offer, with its parameter sets: they become elements of a message only for a car
    that asks for them.
    """

    service: m.Service
    sets: tuple[ServiceParameterSet, ...] = ()

    @property
    def number(self) -> int:
        return self.service.service_id

    def parameter_list(self) -> m.ServiceParameterList | None:
        """Returns the parameter sets for ServiceDetailRes; None if there are none."""
        if not self.sets:
            return None
        return m.ServiceParameterList(
            parameter_set=tuple(
                m.ParameterSet(parameter_set_id=one.number, parameter=tuple(map(_parameter, one.parameters)))
                for one in self.sets
            )
        )

    def has(self, parameter_set: int | None) -> bool:
        """Whether a car may select it so: by one of its parameter sets, or without one. Set 0 would
        have to be on offer, too. (Q-74)
        """
        return parameter_set is None or any(one.number == parameter_set for one in self.sets)

    def asked_for(self, request: m.ServiceDiscoveryReq) -> bool:
        """Whether it passes the filters of a request. An empty scope filters nothing."""
        service, category, scope = self.service, request.service_category, request.service_scope or None
        return category in (None, service.service_category) and scope in (None, service.service_scope)

    def within(self, selected: Collection[tuple[int, int | None]]) -> OfferedService | None:
        """Returns what a paused session has selected of it; None if nothing."""
        sets = {parameter_set for number, parameter_set in selected if number == self.number}
        if not sets:
            return None
        chosen = tuple(one for one in self.sets if one.number in sets)
        return self if None in sets else replace(self, sets=chosen)


def offered(offer: Offer, provisioning: Collection[Provisioning]) -> Iterator[OfferedService]:
    """Yields the services beside charging, in the order of their numbers; ``provisioning``: what the
    session offers of the certificate service.

    Internet access is for TLS only: our policy, unverified whether the standard requires it. It is
    free: the station counts no octets.
    """
    if provisioning:
        yield OfferedService(
            _service(CERTIFICATES, m.ServiceCategory.CONTRACT_CERTIFICATE, "Certificate", free=True),
            tuple(
                ServiceParameterSet(PARAMETER_SETS[kind], (_text("Service", kind.value.capitalize()),))
                for kind in provisioning
            ),
        )
    if offer.internet and offer.tls:
        wanted = sorted(INTERNET_SETS[kind] for kind in offer.internet)
        yield OfferedService(
            _service(INTERNET, m.ServiceCategory.INTERNET, "Internet", free=True),
            tuple(
                ServiceParameterSet(number, (_text("Protocol", protocol), ServiceParameter("Port", Kind.INT, port)))
                for number, protocol, port in wanted
            ),
        )
    for vendor in sorted(offer.services, key=lambda service: service.number):
        if offer.tls or not vendor.tls_only:
            category, name, scope = m.ServiceCategory.OTHER_CUSTOM, vendor.name or None, vendor.scope or None
            service = _service(vendor.number, category, name, free=vendor.free, scope=scope)
            yield OfferedService(service, vendor.parameter_sets)


def _service(
    number: int, category: m.ServiceCategory, name: str | None, *, free: bool, scope: str | None = None
) -> m.Service:
    return m.Service(
        service_id=number, service_name=name, service_category=category, service_scope=scope, free_service=free
    )


def _text(name: str, text: str) -> ServiceParameter:
    return ServiceParameter(name, Kind.STRING, text)


def _parameter(parameter: ServiceParameter) -> m.Parameter:
    if parameter.kind is Kind.PHYSICAL:
        quantity = physical(float(parameter.content), m.UnitSymbol(parameter.unit))
        return m.Parameter(name=parameter.name, physical_value=quantity)
    return m.Parameter(name=parameter.name, **{_FIELDS[parameter.kind]: parameter.content})  # type: ignore[arg-type]  # by its kind
