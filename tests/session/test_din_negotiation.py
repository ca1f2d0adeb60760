"""What the offers of recorded cars are answered with, as they came over the line: with both protocols, and with one of them."""

from __future__ import annotations

import pytest

from secc.din import protocol as din
from secc.iso2 import protocol as iso2
from secc.session.negotiation import Chosen, choose
from secc.session.protocol import Transport, V2gProtocol
from secc.session.supported_app_protocol import SCHEMA, ResponseCode, SupportedAppProtocolReq

DIN, ISO2 = din(), iso2()
IONIQ = "8000dbab9371d3234b71d1b981899189d191818991d26b9b3a232b30020000040040"
"""DIN alone."""
POLESTAR = (
    "8000dbab9371d3234b71d1b981899189d191818991d26b9b3a232b30020000040001d75726e3a69736f3a31353131383a323a323031333a4d73674465660040"
    "000000880"
)
"""DIN before ISO 15118-2, which has SchemaID 0."""
AUDI = (
    "8000dbab9371d3234b71d1b981899189d191818991d26b9b3a232b30020000040401d75726e3a69736f3a31353131383a323a323031333a4d73674465660040"
    "000000080"
)
"""DIN behind ISO 15118-2, which has SchemaID 0."""


def answered(octets: str, *protocols: V2gProtocol, transport: Transport = Transport.PLAIN) -> Chosen | None:
    request = SCHEMA.decode(bytes.fromhex(octets))
    assert isinstance(request, SupportedAppProtocolReq)
    return choose(request, protocols, transport=transport)


@pytest.mark.parametrize(
    ("octets", "spoken", "protocol", "schema_id"),
    [
        (IONIQ, (ISO2, DIN), DIN, 1),
        (IONIQ, (DIN,), DIN, 1),
        (POLESTAR, (ISO2, DIN), DIN, 1),
        (POLESTAR, (ISO2,), ISO2, 0),
        (POLESTAR, (DIN,), DIN, 1),
        (AUDI, (ISO2, DIN), ISO2, 0),
        (AUDI, (ISO2,), ISO2, 0),
        (AUDI, (DIN,), DIN, 1),
    ],
)
def test_a_recorded_car_gets_what_it_prefers_of_what_is_spoken(
    octets: str, spoken: tuple[V2gProtocol, ...], protocol: V2gProtocol, schema_id: int
) -> None:
    chosen = answered(octets, *spoken)
    assert chosen is not None
    assert chosen.protocol is protocol
    assert chosen.response.response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION
    assert chosen.response.schema_id == schema_id


def test_a_recorded_car_with_nothing_that_is_spoken_gets_nothing() -> None:
    assert answered(IONIQ, ISO2) is None
    assert answered(IONIQ, ISO2, DIN, transport=Transport.TLS) is None


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.MUTUAL_TLS13])
def test_over_tls_a_recorded_car_that_prefers_din_gets_iso_15118_2(transport: Transport) -> None:
    chosen = answered(POLESTAR, ISO2, DIN, transport=transport)
    assert chosen is not None
    assert chosen.protocol is ISO2
