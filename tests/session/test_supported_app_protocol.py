"""SupportedAppProtocol, octet by octet."""

from __future__ import annotations

import pytest

from secc.errors import DecodeError
from secc.session.supported_app_protocol import (
    SCHEMA,
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)

ISO2 = AppProtocol(
    protocol_namespace="urn:iso:15118:2:2013:MsgDef",
    version_number_major=2,
    version_number_minor=0,
    schema_id=10,
    priority=1,
)


def test_a_request_and_its_answer() -> None:
    request = SupportedAppProtocolReq(app_protocol=(ISO2,))
    assert SCHEMA.decode(SCHEMA.encode(request)) == request
    response = SupportedAppProtocolRes(response_code=ResponseCode.OK_SUCCESSFUL_NEGOTIATION, schema_id=10)
    assert SCHEMA.encode(response).hex() == "80400280"
    assert SCHEMA.decode(bytes.fromhex("80400280")) == response


def test_no_answer_without_a_code() -> None:
    with pytest.raises(DecodeError):
        SCHEMA.decode(bytes.fromhex("8040"))
