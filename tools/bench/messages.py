"""The messages whose codec is measured: those of a Plug & Charge session that are long, or frequent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secc.exi.schema import Schema
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    Body,
    CurrentDemandReq,
    CurrentDemandRes,
    DC_EVErrorCode,
    DC_EVSEStatus,
    DC_EVSEStatusCode,
    DC_EVStatus,
    EVSENotification,
    IsolationLevel,
    MessageHeader,
    MeterInfo,
    PaymentDetailsReq,
    PhysicalValue,
    ResponseCode,
    SessionSetupRes,
    UnitSymbol,
    V2G_Message,
)
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq

if TYPE_CHECKING:
    from tools.evcc.wallet import Wallet

SAP_NAMESPACE = "urn:iso:15118:2:2010:AppProtocol"
ISO2_NAMESPACE = "urn:iso:15118:2:2013:MsgDef"


@dataclass(frozen=True, slots=True)
class Sample:
    """One message, and its octets as our codec writes them."""

    name: str
    namespace: str
    schema: Schema[Any]
    message: Any
    octets: bytes

    @property
    def decode(self) -> Callable[[], Any]:
        return lambda: self.schema.decode(self.octets)

    @property
    def encode(self) -> Callable[[], Any]:
        return lambda: self.schema.encode(self.message)


def samples(wallet: Wallet) -> tuple[Sample, ...]:
    """In the order of a session."""
    challenge = bytes(range(16))
    authorization = AuthorizationReq(id="id1", gen_challenge=challenge)
    signature = wallet.sign(authorization)
    return (
        _sample("supportedAppProtocolReq, 3 protocols", SAP_NAMESPACE, SAP, _protocols()),
        _iso2("SessionSetupRes", _session_setup_res()),
        _iso2(
            "PaymentDetailsReq, 3 certificates",
            PaymentDetailsReq(emaid=wallet.emaid, contract_signature_cert_chain=wallet.certificate_chain()),
        ),
        _iso2("AuthorizationReq, signed", authorization, signature),
        *loop_samples(),
    )


def loop_samples() -> tuple[Sample, Sample]:
    """The request and the response of the charging loop."""
    return _iso2("CurrentDemandReq", _current_demand_req()), _iso2("CurrentDemandRes", _current_demand_res())


def _sample(name: str, namespace: str, schema: Schema[Any], message: Any) -> Sample:
    return Sample(name, namespace, schema, message, schema.encode(message))


def _iso2(name: str, body: Body, signature: Any = None) -> Sample:
    header = MessageHeader(session_id=bytes.fromhex("3DA7F02B6C5E9141"), signature=signature)
    return _sample(name, ISO2_NAMESPACE, SCHEMA, V2G_Message(header=header, body=body))


def _protocols() -> SupportedAppProtocolReq:
    spoken = (
        ("urn:iso:std:iso:15118:-20:DC", 1, 0),
        ("urn:iso:15118:2:2013:MsgDef", 2, 0),
        ("urn:din:70121:2012:MsgDef", 2, 0),
    )
    return SupportedAppProtocolReq(
        app_protocol=tuple(
            AppProtocol(
                protocol_namespace=namespace,
                version_number_major=major,
                version_number_minor=minor,
                schema_id=number,
                priority=number,
            )
            for number, (namespace, major, minor) in enumerate(spoken, 1)
        )
    )


def _session_setup_res() -> SessionSetupRes:
    return SessionSetupRes(
        response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED, evse_id="DE*PNX*E12345*1", evse_time_stamp=1_790_000_000
    )


def _value(value: int, unit: UnitSymbol, multiplier: int = -1) -> PhysicalValue:
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


def _current_demand_req() -> CurrentDemandReq:
    return CurrentDemandReq(
        dc_ev_status=DC_EVStatus(ev_ready=True, ev_error_code=DC_EVErrorCode.NO_ERROR, ev_ress_soc=47),
        ev_target_current=_value(1250, UnitSymbol.A),
        ev_maximum_voltage_limit=_value(4200, UnitSymbol.V),
        ev_maximum_current_limit=_value(1500, UnitSymbol.A),
        ev_maximum_power_limit=_value(600, UnitSymbol.W, 2),
        charging_complete=False,
        remaining_time_to_full_soc=_value(1800, UnitSymbol.S, 0),
        ev_target_voltage=_value(4100, UnitSymbol.V),
    )


def _current_demand_res() -> CurrentDemandRes:
    return CurrentDemandRes(
        response_code=ResponseCode.OK,
        dc_evse_status=DC_EVSEStatus(
            notification_max_delay=0,
            evse_notification=EVSENotification.NONE,
            evse_isolation_status=IsolationLevel.VALID,
            evse_status_code=DC_EVSEStatusCode.EVSE_READY,
        ),
        evse_present_voltage=_value(4012, UnitSymbol.V),
        evse_present_current=_value(1249, UnitSymbol.A),
        evse_current_limit_achieved=False,
        evse_voltage_limit_achieved=False,
        evse_power_limit_achieved=False,
        evse_maximum_voltage_limit=_value(9200, UnitSymbol.V),
        evse_maximum_current_limit=_value(2000, UnitSymbol.A),
        evse_maximum_power_limit=_value(600, UnitSymbol.W, 2),
        evse_id="DE*PNX*E12345*1",
        sa_schedule_tuple_id=1,
        meter_info=MeterInfo(meter_id="SIM-0001", meter_reading=123_456, t_meter=1_790_000_000),
    )
