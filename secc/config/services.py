"""The settings of an outlet's own services, with parameters of the types that a car can be sent."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from frozen import dataclass
from secc.config.facets import Doc, Length, Named, Pattern, Range
from secc.config.lines import KeyPath
from secc.config.parser import Wrong
from secc.session import services

NAME = Pattern(re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,30}[\x21-\x7e])?"), "1 to 32 ASCII characters")
SCOPE = Pattern(re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?"), "1 to 64 ASCII characters")
TEXT = Pattern(re.compile(r"[\x20-\x7e]{1,64}"), "1 to 64 ASCII characters")
FIRST_VENDOR_SERVICE, LAST_SERVICE = 60_001, 65_535


class Unit(StrEnum):
    """The units of ISO 15118-2."""

    HOUR = "h"
    METRE = "m"
    SECOND = "s"
    AMPERE = "A"
    VOLT = "V"
    WATT = "W"
    WATT_HOUR = "Wh"


@dataclass(frozen=True, slots=True)
class ServiceParameterSettings:
    """One parameter: its name, and a value under the key of its type."""

    name: Annotated[str, Doc("The parameter's name."), SCOPE]
    flag: Annotated[bool | None, Named("bool"), Doc("A truth value.", "none")] = None
    byte: Annotated[int | None, Doc("A whole number of 8 bits.", "none"), Range(-128, 127)] = None
    short: Annotated[int | None, Doc("A whole number of 16 bits.", "none"), Range(-32_768, 32_767)] = None
    whole: Annotated[
        int | None, Named("int"), Doc("A whole number of 32 bits.", "none"), Range(-(2**31), 2**31 - 1)
    ] = None
    physical: Annotated[
        float | None,
        Doc("A quantity in `unit`, sent with at most five digits.", "none"),
        Range(-services.LARGEST_QUANTITY, services.LARGEST_QUANTITY),
    ] = None
    text: Annotated[str | None, Named("string"), Doc("A text.", "none"), TEXT] = None
    unit: Annotated[Unit | None, Doc("The unit of `physical`.", "none")] = None

    def check(self, path: KeyPath) -> None:
        """Raises Wrong unless there is one value, with a unit where it needs one."""
        given = [kind.value for kind, value in self._values() if value is not None]
        if len(given) != 1:
            kinds = ", ".join(services.Kind)
            raise Wrong(path, f"needs one value, under one of {kinds}; has {', '.join(given) or 'none'}")
        if (self.unit is not None) is not (self.physical is not None):
            raise Wrong((*path, "unit"), "is missing" if self.unit is None else "is for a physical value only")

    def _values(self) -> tuple[tuple[services.Kind, bool | float | str | None], ...]:
        values = self.flag, self.byte, self.short, self.whole, self.physical, self.text
        return tuple(zip(services.Kind, values, strict=True))

    def offered(self) -> services.ServiceParameter:
        kind, content = next((kind, value) for kind, value in self._values() if value is not None)
        assert content is not None
        return services.ServiceParameter(self.name, kind, content, self.unit.value if self.unit is not None else "")


@dataclass(frozen=True, slots=True)
class ParameterSetSettings:
    """One way to use the service."""

    number: Annotated[int, Named("id"), Doc("ParameterSetID."), Range(1, 32_767)]
    parameters: Annotated[
        tuple[ServiceParameterSettings, ...],
        Named("parameter"),
        Doc("Its parameters."),
        Length(1, services.MOST_PARAMETERS),
    ]

    def offered(self) -> services.ServiceParameterSet:
        return services.ServiceParameterSet(self.number, tuple(entry.offered() for entry in self.parameters))


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """A service of the operator's own, beside charging. A car that selects it is told by the event
    `milestone` of the control socket; the operator's software provides the service.
    """

    number: Annotated[
        int, Named("id"), Doc("ServiceID, of those for vendors."), Range(FIRST_VENDOR_SERVICE, LAST_SERVICE)
    ]
    name: Annotated[str, Doc("ServiceName.", "none"), NAME] = ""
    scope: Annotated[str, Doc("ServiceScope, by which a car may filter.", "none"), SCOPE] = ""
    free: Annotated[bool, Doc("Whether the service costs nothing.")] = False
    tls_only: Annotated[bool, Doc("Offer it over TLS only.")] = True
    parameter_sets: Annotated[
        tuple[ParameterSetSettings, ...],
        Named("parameter_set"),
        Doc("Ways to use it, for the car to select one."),
        Length(0, services.MOST_PARAMETER_SETS),
    ] = ()

    def check(self, path: KeyPath) -> None:
        """Raises Wrong for repeated ids and names, and for a parameter without exactly one value."""
        unique(tuple(entry.number for entry in self.parameter_sets), (*path, "parameter_set"), "id")
        for number, entry in enumerate(self.parameter_sets):
            here = (*path, "parameter_set", number, "parameter")
            unique(tuple(parameter.name for parameter in entry.parameters), here, "name")
            for place, parameter in enumerate(entry.parameters):
                parameter.check((*here, place))

    def offered(self) -> services.VendorService:
        sets = tuple(entry.offered() for entry in self.parameter_sets)
        return services.VendorService(self.number, self.name, self.scope, self.free, self.tls_only, sets)


def unique(values: tuple[object, ...], path: KeyPath, key: str) -> None:
    """Raises Wrong for the second of two equal values."""
    for number, value in enumerate(values):
        if value in values[:number]:
            raise Wrong((*path, number, key), f"repeats {value!r}")
