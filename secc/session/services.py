"""Services beside charging that an outlet offers, in the station's terms: internet access, and
services of the operator's own. The numbers of the standard stay in each protocol's folder.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from frozen import dataclass

MOST_SERVICES: Final = 8
"""Services beside charging in an offer, the certificate service and internet access included. This
and the next four are what public codecs hold. (Q-70)
"""
MOST_PARAMETER_SETS: Final = 5
MOST_PARAMETERS: Final = 8
LONGEST_PARAMETER_NAME: Final = 64
LONGEST_TEXT: Final = 64

LARGEST_QUANTITY: Final = 32_767_000.0
"""The largest PhysicalValue."""


class Internet(StrEnum):
    """A kind of internet access: protocol and port."""

    FTP_DATA = "ftp-20"
    FTP = "ftp-21"
    HTTP = "http-80"
    HTTPS = "https-443"


class Kind(StrEnum):
    """The type of a parameter's value on the wire."""

    BOOL = "bool"
    BYTE = "byte"
    SHORT = "short"
    INT = "int"
    PHYSICAL = "physical"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class ServiceParameter:
    """A named value. ``unit`` is that of a PHYSICAL one: h, m, s, A, V, W or Wh."""

    name: str
    kind: Kind
    content: bool | int | float | str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ServiceParameterSet:
    """One way to use a service."""

    number: int
    parameters: tuple[ServiceParameter, ...]


@dataclass(frozen=True, slots=True)
class VendorService:
    """A service of the operator's own. Without parameter sets there is one way to use it."""

    number: int
    name: str = ""
    scope: str = ""
    free: bool = False
    tls_only: bool = True
    """Not offered on plain TCP."""
    parameter_sets: tuple[ServiceParameterSet, ...] = ()
