"""EV side of one scenario.

Runs inside the virtual environment that holds the `iso15118` package, and
inside the EV's network namespace. It drives the package's EVCC from outside:

* a codec wrapper (public interface IEXICodec) sees every message as JSON, so it
  can time, record and falsify messages without touching the state machine;
* an EV controller (public interface EVControllerInterface, via the package's
  simulator) supplies the EV's values and choices;
* small subclasses of the session and of the session handler note times and say
  when the session is over (the package's own EVCC never exits after a failure).

Writes one JSON document and exits 0 if the scenario's wanted outcome was
reached, 1 if not, 2 if the runner itself could not work.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import datetime
import json
import logging
import os
import random
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent))
from scenarios import SCENARIOS, Scenario

# --------------------------------------------------------------------------
# Messages as JSON documents
# --------------------------------------------------------------------------


class Message:
    """A view on the JSON form of one EXI message (or of a signed fragment)."""

    def __init__(self, document: dict[str, Any], namespace: str):
        self.document = document
        self.namespace = str(getattr(namespace, "value", namespace))
        first = next(iter(document))
        if first == "V2G_Message":  # DIN SPEC 70121, ISO 15118-2
            envelope = document[first]
            self.header: dict[str, Any] = envelope["Header"]
            self.name = next(iter(envelope["Body"]))
            self.body: dict[str, Any] = envelope["Body"][self.name]
            self.is_fragment = False
        else:
            self.name = first
            self.body = document[first]
            self.header = self.body.get("Header", {}) if self.body else {}
            # ISO 15118-20 messages carry their header; supportedAppProtocol
            # has none; anything else is an element encoded to be signed.
            self.is_fragment = not (self.header or first.startswith("supportedAppProtocol"))

    @property
    def response_code(self) -> str | None:
        return (self.body or {}).get("ResponseCode")


# --------------------------------------------------------------------------
# Falsifications
# --------------------------------------------------------------------------


class Mutator:
    """Rewrites chosen messages; one method per mutation name."""

    def __init__(self, names: list[str], pki: EvPki):
        self.names = set(names)
        self.pki = pki
        self.ending = "terminate"
        self.offered_modes: list[str] = []

    def outgoing(self, msg: Message) -> None:
        if msg.name == "SessionStopReq" and self.ending == "pause":
            msg.body["ChargingSession"] = "Pause"
        for name in self.names:
            handler = getattr(self, "out_" + name.replace("-", "_"), None)
            if handler:
                handler(msg)

    def incoming(self, msg: Message) -> None:
        if msg.name == "ServiceDiscoveryRes" and "ChargeService" in msg.body:
            modes = msg.body["ChargeService"].get("SupportedEnergyTransferMode", {})
            self.offered_modes = modes.get("EnergyTransferMode", [])
        for name in self.names:
            handler = getattr(self, "in_" + name.replace("-", "_"), None)
            if handler:
                handler(msg)

    # -- outgoing ---------------------------------------------------------

    def out_unknown_app_protocol(self, msg: Message) -> None:
        if msg.name == "supportedAppProtocolReq":
            for entry in msg.body["AppProtocol"]:
                entry["ProtocolNamespace"] = "urn:iso:15118:9:2099:MsgDef"

    def out_wrong_session_id(self, msg: Message) -> None:
        is_iso20 = "V2G_Message" not in msg.document
        selections = ("PaymentServiceSelectionReq", "ServicePaymentSelectionReq")
        if msg.name in (("ServiceDiscoveryReq",) if is_iso20 else selections):
            msg.header["SessionID"] = "DEADBEEFDEADBEEF"

    def out_wrong_energy_mode(self, msg: Message) -> None:
        if msg.name == "ChargeParameterDiscoveryReq":
            candidates = ["AC_single_phase_core", "AC_three_phase_core", "DC_unique"]
            msg.body["RequestedEnergyTransferMode"] = next(
                mode for mode in candidates if mode not in self.offered_modes
            )

    def out_wrong_energy_type(self, msg: Message) -> None:
        if msg.name == "ChargeParameterDiscoveryReq":
            msg.body["EVRequestedEnergyTransferType"] = "AC_three_phase_core"

    def out_contract_selected(self, msg: Message) -> None:
        if msg.name == "ServicePaymentSelectionReq":
            msg.body["SelectedPaymentOption"] = "Contract"

    def out_wrong_service_id(self, msg: Message) -> None:
        if msg.name in ("PaymentServiceSelectionReq", "ServicePaymentSelectionReq"):
            services = msg.body["SelectedServiceList"]["SelectedService"]
            services[0]["ServiceID"] = 60000

    def out_wrong_schedule_id(self, msg: Message) -> None:
        if msg.name == "PowerDeliveryReq":
            msg.body["SAScheduleTupleID"] = 251

    def out_profile_over_limit(self, msg: Message) -> None:
        if msg.name == "PowerDeliveryReq" and "ChargingProfile" in msg.body:
            for entry in msg.body["ChargingProfile"]["ProfileEntry"]:
                entry["ChargingProfileEntryMaxPower"] = {
                    "Multiplier": 3,
                    "Value": 900,
                    "Unit": "W",
                }

    def out_broken_signature(self, msg: Message) -> None:
        if msg.name == "AuthorizationReq" and "Signature" in msg.header:
            value = msg.header["Signature"]["SignatureValue"]
            raw = bytearray(base64.b64decode(value["value"]))
            raw[10] ^= 0x01
            value["value"] = base64.b64encode(bytes(raw)).decode()

    def out_stop_before_proof(self, msg: Message) -> None:
        # A thief has the chain, which is no secret, and not the key: he leaves in good order before he would have to sign.
        if msg.name == "AuthorizationReq":
            msg.header.pop("Signature", None)
            msg.document["V2G_Message"]["Body"] = {"SessionStopReq": {"ChargingSession": "Terminate"}}

    def out_wrong_emaid(self, msg: Message) -> None:
        if msg.name == "PaymentDetailsReq":
            msg.body["eMAID"] = "DE8XXXCA1B2C3D4"

    # -- incoming ---------------------------------------------------------

    def in_wrong_challenge(self, msg: Message) -> None:
        other = base64.b64encode(os.urandom(16)).decode()
        if msg.name == "PaymentDetailsRes" and "GenChallenge" in msg.body:
            msg.body["GenChallenge"] = other
        if msg.name == "AuthorizationSetupRes":
            mode = msg.body.get("PnC_ASResAuthorizationMode")
            if mode:
                mode["GenChallenge"] = other


class EvPki:
    """The EV's private copy of the PKI directory; can hold forged contracts."""

    def __init__(self, source: Path, copy: Path, drop_contract: bool):
        shutil.copytree(source / "iso15118_2", copy / "iso15118_2", dirs_exist_ok=True)
        self.root = copy
        self.certs = copy / "iso15118_2" / "certs"
        self.keys = copy / "iso15118_2" / "private_keys"
        if drop_contract:
            # What is missing must come from CertificateInstallationRes.
            for path in (self.certs / "contractLeafCert.der", self.keys / "contractLeaf.key"):
                path.unlink(missing_ok=True)

    def password(self, name: str) -> bytes | None:
        text = (self.keys / name).read_text().strip()
        return text.encode() or None

    def install_contract(self, der: bytes, private: bytes, subs: list[bytes]) -> bool:
        """Store an installed contract. True if key and certificate match."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        certificate = x509.load_der_x509_certificate(der)
        matches = certificate.public_key().public_numbers() == key.public_key().public_numbers()
        password = self.password("contractLeafPassword.txt")
        encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        (self.certs / "contractLeafCert.der").write_bytes(der)
        (self.keys / "contractLeaf.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                encryption,
            )
        )
        for name, sub in zip(("moSubCA2Cert.der", "moSubCA1Cert.der"), subs, strict=False):
            (self.certs / name).write_bytes(sub)
        return matches

    # -- forged or expired contract chains ---------------------------------

    def _load(self, name: str):
        from cryptography import x509

        return x509.load_der_x509_certificate((self.certs / name).read_bytes())

    @staticmethod
    def _issue(real, public_key, issuer_key, expired=False):
        """A certificate that says of itself all that the real one says, extensions included; only key, dates and signature are others."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        start, end = (now - 30 * day, now - day) if expired else (now - day, now + day)
        builder = (
            x509.CertificateBuilder()
            .subject_name(real.subject)
            .issuer_name(real.issuer)
            .public_key(public_key)
            .serial_number(4711)
            .not_valid_before(start)
            .not_valid_after(end)
        )
        for extension in real.extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
        return builder.sign(issuer_key, hashes.SHA256())

    def forge_contract(self, rsa_sub_ca: bool) -> None:
        """Give the EV a contract with the real names, but issued by nobody known.

        The EV holds the matching private key, so its signatures are correct; only
        the chain of trust is wrong.
        """
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import Encoding

        names = ("contractLeafCert.der", "moSubCA2Cert.der", "moSubCA1Cert.der")
        real = [self._load(name) for name in names]
        new_ec = lambda: ec.generate_private_key(ec.SECP256R1())  # noqa: E731
        leaf_key, sub1_key, root_key = new_ec(), new_ec(), new_ec()
        sub2_key: Any = new_ec()
        if rsa_sub_ca:
            # 1024 bit, so that the certificate stays below the 800 octets that
            # the ISO 15118-2 schema allows.
            sub2_key = rsa.generate_private_key(65537, 1024)
        chain = [
            self._issue(real[0], leaf_key.public_key(), sub2_key),
            self._issue(real[1], sub2_key.public_key(), sub1_key),
            self._issue(real[2], sub1_key.public_key(), root_key),
        ]
        leaf, *subs = [c.public_bytes(Encoding.DER) for c in chain]
        private = leaf_key.private_numbers().private_value.to_bytes(32, "big")
        self.install_contract(leaf, private, subs)

    def expire_contract(self) -> None:
        """Replace the contract certificate by one of the same PKI that expired."""
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            load_pem_private_key,
        )

        leaf = self._load("contractLeafCert.der")
        sub2_key = load_pem_private_key(
            (self.keys / "moSubCA2.key").read_bytes(),
            self.password("moSubCA2LeafPassword.txt"),
        )
        expired = self._issue(leaf, leaf.public_key(), sub2_key, expired=True)
        (self.certs / "contractLeafCert.der").write_bytes(expired.public_bytes(Encoding.DER))

    def apply(self, mutations: list[str]) -> None:
        """Mutations that concern certificates rather than messages."""
        if "forged-contract" in mutations:
            self.forge_contract(rsa_sub_ca=False)
        if "forged-contract-rsa" in mutations:
            self.forge_contract(rsa_sub_ca=True)
        if "expired-contract" in mutations:
            self.expire_contract()


# --------------------------------------------------------------------------
# Trace of one run
# --------------------------------------------------------------------------


class Trace:
    """What happened in one communication session."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.sdp_sent: float | None = None
        self.sdp_answered: float | None = None
        self.connected: float | None = None
        self.power_on: float | None = None
        self.finished: float | None = None
        self.exchanges: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self.error: str | None = None
        self.successful_stop = False

    def since_start(self, instant: float | None) -> float | None:
        return None if instant is None else round(instant - self.start, 4)

    def codes(self, response: str) -> list[str | None]:
        return [e["code"] for e in self.exchanges if e["response"] == response]

    def report(self) -> dict[str, Any]:
        def span(a: float | None, b: float | None) -> float | None:
            return None if a is None or b is None else round(b - a, 4)

        return {
            "error": self.error,
            "successful_stop": self.successful_stop,
            "sdp_s": span(self.sdp_sent, self.sdp_answered),
            "connect_s": span(self.sdp_answered, self.connected),
            "sdp_to_power_delivery_start_s": span(self.sdp_sent, self.power_on),
            "sdp_to_session_stop_s": span(self.sdp_sent, self.finished),
            "facts": self.facts,
            "latency_ms": latency_summary(self.exchanges),
            "exchanges": self.exchanges,
        }


def latency_summary(exchanges: list[dict[str, Any]]) -> dict[str, Any]:
    groups: dict[str, list[float]] = {}
    for exchange in exchanges:
        if exchange["latency_ms"] is not None:
            groups.setdefault(exchange["request"], []).append(exchange["latency_ms"])
    return {name: quantiles(values) for name, values in groups.items()}


def quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    rank = max(0, -(-len(ordered) * 99 // 100) - 1)
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), 3),
        "p99": round(ordered[rank], 3),
        "max": round(ordered[-1], 3),
    }


# --------------------------------------------------------------------------
# Driving the package
# --------------------------------------------------------------------------


def build(args: argparse.Namespace, scenario: Scenario, pki: EvPki):
    """Import the package (its settings come from the environment) and subclass."""

    from iso15118.evcc import evcc_settings
    from iso15118.evcc.comm_session_handler import (
        CommunicationSessionHandler,
        EVCCCommunicationSession,
    )
    from iso15118.evcc.controller.simulator import SimEVController
    from iso15118.evcc.evcc_config import EVCCConfig
    from iso15118.evcc.transport.tcp_client import TCPClient
    from iso15118.shared.exceptions import SDPFailedError
    from iso15118.shared.exificient_exi_codec import ExificientEXICodec
    from iso15118.shared.iexi_codec import IEXICodec
    from iso15118.shared.logging import _init_logger
    from iso15118.shared.messages.enums import ControlMode, Protocol, ServiceV20
    from iso15118.shared.messages.iso15118_20.ac import (
        BPTDynamicACChargeLoopReqParams,
        BPTScheduledACChargeLoopReqParams,
        DynamicACChargeLoopReqParams,
        ScheduledACChargeLoopReqParams,
    )
    from iso15118.shared.messages.iso15118_20.common_messages import (
        SelectedEnergyService,
    )
    from iso15118.shared.messages.iso15118_20.common_types import RationalNumber
    from iso15118.shared.messages.iso15118_20.dc import (
        BPTDynamicDCChargeLoopReqParams,
        BPTScheduledDCChargeLoopReqParams,
        DynamicDCChargeLoopReqParams,
        ScheduledDCChargeLoopReqParams,
    )
    from iso15118.shared.messages.timeouts import Timeouts
    from iso15118.shared.settings import load_shared_settings

    _init_logger()
    load_shared_settings()

    mutator = Mutator(scenario.mutations, pki)

    # ---- codec ----------------------------------------------------------

    class TracingCodec(IEXICodec):
        """Times, records and falsifies messages around the package's codec."""

        def __init__(self) -> None:
            self.inner = ExificientEXICodec()
            self.sent: Message | None = None
            self.got: Message | None = None
            self.durations: dict[tuple[str, str], list[float]] = {}
            self.corpus: list[dict[str, str]] = []
            self._corpus_seen: dict[tuple[str, str], int] = {}

        def encode(self, message: str, namespace: str) -> bytes:
            msg = Message(json.loads(message), namespace)
            if not msg.is_fragment:
                mutator.outgoing(msg)
                message = json.dumps(msg.document)
                self.sent = msg
            begin = time.perf_counter()
            exi = self.inner.encode(message, namespace)
            self._note("encode", msg, message, bytes(exi), begin)
            return exi

        def decode(self, stream: bytes, namespace: str) -> str:
            begin = time.perf_counter()
            text = self.inner.decode(stream, namespace)
            msg = Message(json.loads(text), namespace)
            self._note("decode", msg, text, bytes(stream), begin)
            mutator.incoming(msg)
            self.got = msg
            return json.dumps(msg.document)

        def get_version(self) -> str:
            return self.inner.get_version()

        def _note(self, what: str, msg: Message, text: str, exi: bytes, begin: float):
            took = (time.perf_counter() - begin) * 1000
            self.durations.setdefault((what, msg.name), []).append(took)
            key = (msg.namespace, msg.name)
            self._corpus_seen[key] = self._corpus_seen.get(key, 0) + 1
            if args.corpus and self._corpus_seen[key] <= 3:
                self.corpus.append(
                    {
                        "scenario": scenario.name,
                        "namespace": msg.namespace,
                        "name": msg.name,
                        "kind": "fragment" if msg.is_fragment else "message",
                        "sender": "evcc" if what == "encode" else "secc",
                        "exi": exi.hex(),
                        "json": text,
                    }
                )

        def summary(self) -> dict[str, Any]:
            return {f"{what} {name}": quantiles(values) for (what, name), values in sorted(self.durations.items())}

    # ---- EV controller --------------------------------------------------

    class ScenarioEV(SimEVController):
        """The package's simulated EV, making the scenario's choices."""

        facts: ClassVar[dict[str, Any]] = {}
        codec: TracingCodec | None = None

        async def select_energy_service_v20(self, services):
            wanted = ControlMode[scenario.control.upper()]
            for service in services:
                for parameters in service.parameter_sets:
                    for parameter in parameters.parameters:
                        if parameter.name == "ControlMode" and parameter.int_value == wanted.value:
                            return SelectedEnergyService(
                                service=service.service,
                                is_free=service.is_free,
                                parameter_set=parameters,
                            )
            self.facts["control_mode_missing"] = True
            return await super().select_energy_service_v20(services)

        async def store_contract_cert_and_priv_key(self, contract_cert, priv_key):
            subs: list[bytes] = []
            got = self.codec.got if self.codec else None
            if got is not None:
                chain = got.body.get("ContractSignatureCertChain", {})
                encoded = chain.get("SubCertificates", {}).get("Certificate", [])
                encoded = [encoded] if isinstance(encoded, str) else encoded
                subs = [base64.b64decode(e) for e in encoded]
            self.facts["installed_key_matches"] = pki.install_contract(contract_cert, priv_key, subs)

    def number(value: float) -> RationalNumber:
        return RationalNumber.get_rational_repr(value)

    class PlausibleEV(ScenarioEV):
        """The same EV with physically coherent values.

        The simulator reports, for instance, 20 kV as present and target voltage
        in ISO 15118-20, flips a coin to say whether its profile is ready, and
        sends ChargingComplete=true when charging starts. Use --ev stock to test
        against exactly that.
        """

        VOLTS = 400.0
        AMPS = 20.0
        PRECHARGE_LOOPS = 6

        def __init__(self, evcc_config):
            super().__init__(evcc_config)
            self.evse_volts: float | None = None

        async def process_scheduled_se_params(self, scheduled_params, pause):
            while True:
                answer = await super().process_scheduled_se_params(scheduled_params, pause)
                if answer[0] is not None:
                    return answer

        async def process_dynamic_se_params(self, dynamic_params, pause):
            while True:
                answer = await super().process_dynamic_se_params(dynamic_params, pause)
                if answer[0] is not None:
                    return answer

        async def get_present_voltage(self):
            # The EV measures what the station puts out, once it puts out
            # anything believable.
            volts = self.evse_volts if (self.evse_volts or 0) > 50 else self.VOLTS
            return number(round(volts))

        async def get_target_voltage(self):
            return number(self.VOLTS)

        async def is_precharged(self, present_voltage_evse) -> bool:
            volts = float(present_voltage_evse.get_decimal_value())
            is_v20 = isinstance(present_voltage_evse, RationalNumber)
            target = self.VOLTS if is_v20 else float(self.dc_ev_charge_params.dc_target_voltage.get_decimal_value())
            self.evse_volts = volts
            reached = abs(volts - target) <= 20
            self.precharge_loop_cycles += 1
            self.facts["precharge_voltage_reached"] = reached
            # Stations that simulate no voltage would otherwise never pass.
            return reached or self.precharge_loop_cycles > self.PRECHARGE_LOOPS

        async def get_dc_ev_power_delivery_parameter(self):
            parameter = await super().get_dc_ev_power_delivery_parameter()
            # The call above uses up one charging loop; give it back.
            self.charging_loop_cycles += 1
            parameter.charging_complete = await self.is_charging_complete()
            return parameter

        async def get_scheduled_dc_charge_loop_params(self):
            return ScheduledDCChargeLoopReqParams(
                ev_target_current=number(self.AMPS), ev_target_voltage=number(self.VOLTS)
            )

        async def get_dynamic_dc_charge_loop_params(self):
            return DynamicDCChargeLoopReqParams(
                ev_target_energy_request=number(20000),
                ev_max_energy_request=number(40000),
                ev_min_energy_request=number(0),
                ev_max_charge_power=number(8000),
                ev_min_charge_power=number(100),
                ev_max_charge_current=number(self.AMPS),
                ev_max_voltage=number(450),
                ev_min_voltage=number(300),
            )

        async def get_bpt_scheduled_dc_charge_loop_params(self):
            base = await self.get_scheduled_dc_charge_loop_params()
            return BPTScheduledDCChargeLoopReqParams(**base.dict())

        async def get_bpt_dynamic_dc_charge_loop_params(self):
            base = await self.get_dynamic_dc_charge_loop_params()
            return BPTDynamicDCChargeLoopReqParams(
                **base.dict(),
                ev_max_discharge_power=number(8000),
                ev_min_discharge_power=number(0),
                ev_max_discharge_current=number(self.AMPS),
            )

        async def get_ac_charge_loop_params_v20(self, control_mode, selected_service):
            bpt = selected_service == ServiceV20.AC_BPT
            if control_mode == ControlMode.SCHEDULED:
                kind = BPTScheduledACChargeLoopReqParams if bpt else ScheduledACChargeLoopReqParams
                return kind(ev_present_active_power=number(7000))
            values = {
                "departure_time": 7200,
                "ev_target_energy_request": number(20000),
                "ev_max_energy_request": number(40000),
                "ev_min_energy_request": number(0),
                "ev_max_charge_power": number(11000),
                "ev_min_charge_power": number(100),
                "ev_present_active_power": number(7000),
                "ev_present_reactive_power": number(0),
            }
            if bpt:
                return BPTDynamicACChargeLoopReqParams(
                    **values,
                    ev_max_discharge_power=number(11000),
                    ev_min_discharge_power=number(0),
                )
            return DynamicACChargeLoopReqParams(**values)

    # ---- session and handler --------------------------------------------

    class TracingSession(EVCCCommunicationSession):
        """The package's EV session; notes every exchange and the end."""

        def attach(self, trace: Trace, codec: TracingCodec, done: asyncio.Event):
            self.trace, self.codec, self.done = trace, codec, done
            self.pending: dict[str, Any] | None = None

        async def send(self, message):
            sent = self.codec.sent
            note = {
                k: sent.body[k]
                for k in (
                    "ChargeProgress",
                    "EVProcessing",
                    "ReadyToChargeState",
                    "ChargingSession",
                    "SelectedPaymentOption",
                    "SelectedAuthorizationService",
                )
                if sent.body and k in sent.body
            }
            self.pending = {
                "request": sent.name,
                "note": note,
                "request_bytes": len(message.payload),
                "sent": time.perf_counter(),
            }
            await super().send(message)

        async def process_message(self, message: bytes):
            arrived = time.perf_counter()
            self.codec.got = None
            pending, self.pending = self.pending, None
            try:
                await super().process_message(message)
                # How long the EV will wait for the next response.
                self.current_state.next_msg_timeout = float(self.current_state.next_msg_timeout) * args.timeout_factor
            finally:
                got = self.codec.got
                if pending is not None:
                    sent = pending.pop("sent")
                    pending.update(
                        at_s=self.trace.since_start(sent),
                        latency_ms=round((arrived - sent) * 1000, 3),
                        response=got.name if got else None,
                        code=got.response_code if got else None,
                        response_bytes=max(0, len(message) - 8),
                    )
                    self.trace.exchanges.append(pending)
                    self._milestones(pending, arrived)

        def _milestones(self, exchange: dict[str, Any], arrived: float) -> None:
            note = exchange["note"]
            started = note.get("ChargeProgress") == "Start" or note.get("ReadyToChargeState") is True
            if (
                exchange["request"] == "PowerDeliveryReq"
                and started
                and note.get("EVProcessing", "Finished") == "Finished"
                and self.trace.power_on is None
            ):
                self.trace.power_on = arrived
            if exchange["response"] == "SessionStopRes":
                self.trace.finished = arrived

        async def stop(self, reason: str):
            reason_given = self.stop_reason
            self.trace.successful_stop = bool(reason_given and reason_given.successful)
            if not self.trace.successful_stop:
                self.trace.error = reason_given.reason if reason_given else reason
            if self.pending is not None:  # a request that was never answered
                self.pending.pop("sent")
                self.pending.update(at_s=None, latency_ms=None, response=None, code=None, response_bytes=0)
                self.trace.exchanges.append(self.pending)
                self.pending = None
            self.trace.facts.update(
                protocol=getattr(self.protocol, "name", str(self.protocol)),
                session_id=self.session_id,
                evse_id=self.evse_id,
                control_mode=getattr(self.control_mode, "name", None),
            )
            try:
                await super().stop(reason)
            finally:
                self.done.set()

    class ScenarioHandler(CommunicationSessionHandler):
        """SDP and connection set-up, with a definite end for every outcome."""

        def attach(self, trace: Trace, codec: TracingCodec):
            self.trace, self.codec = trace, codec
            self.done = asyncio.Event()
            self.session: TracingSession | None = None

        def fail(self, reason: str) -> None:
            self.trace.error = reason
            self.done.set()

        async def send_sdp(self):
            if self.trace.sdp_sent is None:
                self.trace.sdp_sent = time.perf_counter()
            await super().send_sdp()

        async def restart_sdp(self, new_sdp_cycle: bool):
            try:
                await super().restart_sdp(new_sdp_cycle)
            except SDPFailedError as exc:
                if self.session is None:
                    self.fail(f"SDP failed: {exc}")
                raise

        async def process_incoming_udp_packet(self, message):
            if self.session is not None or self.done.is_set():
                return
            self.trace.sdp_answered = time.perf_counter()
            await super().process_incoming_udp_packet(message)
            if self.session is None and not self.done.is_set():
                self.fail("EV refused the SDP response (security mismatch?)")

        async def start_comm_session(self, host, port, is_tls):
            try:
                client = await TCPClient.create(host, port, self._rcv_queue, is_tls, self.iface)
            except Exception as exc:  # connection refused, TLS alert, ...
                self.fail(f"{'TLS' if is_tls else 'TCP'} connection failed: {exc!r}")
                return
            self.trace.connected = time.perf_counter()
            tls = client.writer.get_extra_info("ssl_object")
            self.trace.facts.update(
                tls_version=tls.version() if tls else None,
                tls_cipher=tls.cipher()[0] if tls else None,
            )
            session = TracingSession(
                (client.reader, client.writer), self._rcv_queue, self.config, self.iface, self.ev_controller
            )
            session.attach(self.trace, self.codec, self.done)
            session.is_tls = is_tls
            self.session = session
            await session.send_sap()
            self.comm_session = (
                session,
                asyncio.create_task(session.start(Timeouts.SUPPORTED_APP_PROTOCOL_REQ * args.timeout_factor)),
            )

    # ---- configuration --------------------------------------------------

    def config() -> EVCCConfig:
        evcc = EVCCConfig(
            supportedProtocols=scenario.protocols,
            supportedEnergyServices=[scenario.service],
            energyTransferMode=scenario.energy_mode,
            isCertInstallNeeded=scenario.cert_install,
            useTls=scenario.tls != "none",
            enforceTls=scenario.tls != "none",
            chargeLoopCycle=args.loops or scenario.loops,
        )
        evcc.load_raw_values()
        # The package turns its lists into sets, which loses the order (and so
        # the priority); put it back.
        evcc.supported_protocols = [Protocol[name] for name in scenario.protocols]
        return evcc

    async def one_session(codec: TracingCodec, ending: str, resume: Trace | None, timeout: float) -> Trace:
        trace = Trace()
        mutator.ending = ending
        evcc = config()
        controller = (PlausibleEV if args.ev == "plausible" else ScenarioEV)(evcc)
        controller.facts = trace.facts
        controller.codec = codec
        if resume is not None:
            evcc_settings.RESUME_SESSION_ID = resume.facts["session_id"]
        handler = ScenarioHandler(evcc, args.iface, codec, controller)
        handler.attach(trace, codec)
        task = asyncio.create_task(handler.start_session_handler())
        try:
            await asyncio.wait_for(handler.done.wait(), timeout)
        except TimeoutError:
            trace.error = f"scenario timeout after {timeout:.0f} s"
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return trace

    async def run_all() -> tuple[list[Trace], TracingCodec]:
        codec = TracingCodec()
        traces: list[Trace] = []
        for ending in scenario.sessions:
            resume = traces[-1] if traces else None
            traces.append(await one_session(codec, ending, resume, args.timeout))
            if traces[-1].error:
                break
        return traces, codec

    return run_all


# --------------------------------------------------------------------------
# Verdict
# --------------------------------------------------------------------------


def judge(scenario: Scenario, traces: list[Trace]) -> tuple[bool, str]:
    """Compare what happened with what the scenario wants."""
    if scenario.expect != "stop":
        return judge_negative(scenario, traces[-1])
    for index, trace in enumerate(traces):
        if trace.error:
            return False, f"session {index + 1}: {trace.error}"
        last = trace.exchanges[-1]
        if last["response"] != "SessionStopRes" or last["code"] != "OK":
            return False, f"last response {last['response']} {last['code']}"
        for problem in facts_problems(scenario, trace):
            return False, f"session {index + 1}: {problem}"
    if len(traces) != len(scenario.sessions):
        return False, f"only {len(traces)} of {len(scenario.sessions)} sessions"
    for index in range(1, len(traces)):
        setup = traces[index].codes("SessionSetupRes")
        if setup != ["OK_OldSessionJoined"]:
            return False, f"resume: SessionSetupRes {setup}"
        if traces[index].facts["session_id"] != traces[0].facts["session_id"]:
            return False, "resume: SessionID changed"
    count = sum(len(t.exchanges) for t in traces)
    return True, f"SessionStop reached, {count} message pairs"


def facts_problems(scenario: Scenario, trace: Trace):
    """Yield what is wrong with a session that ran to its end."""
    facts = trace.facts
    for exchange in trace.exchanges:
        # The EV itself goes on after WARNING_* codes.
        if not (exchange["code"] or "").startswith("OK"):
            yield f"{exchange['response']} {exchange['code']}"
    wanted_tls = {"none": None, "1.2": "TLSv1.2", "1.3": "TLSv1.3"}[scenario.tls]
    if facts.get("tls_version") != wanted_tls:
        yield f"TLS is {facts.get('tls_version')}, wanted {wanted_tls}"
    if facts.get("protocol") != scenario.chosen_protocol:
        yield f"protocol {facts.get('protocol')}, wanted {scenario.chosen_protocol}"
    notes = [e["note"] for e in trace.exchanges]
    chosen = {n[k] for n in notes for k in ("SelectedPaymentOption", "SelectedAuthorizationService") if k in n}
    wanted_auth = {"pnc": {"Contract", "PnC"}, "eim": {"ExternalPayment", "EIM"}}
    if not chosen & wanted_auth[scenario.auth]:
        yield f"authorization was {sorted(chosen)}, wanted {scenario.auth}"
    if (
        scenario.chosen_protocol.startswith("ISO_15118_20")
        and (facts.get("control_mode") or "").lower() != scenario.control
    ):
        yield f"control mode {facts.get('control_mode')}, wanted {scenario.control}"
    for name in scenario.must_see:
        if not trace.codes(name):
            yield f"{name} never received"
    if scenario.cert_install and not facts.get("installed_key_matches"):
        yield "installed contract key does not match the installed certificate"


def judge_negative(scenario: Scenario, trace: Trace) -> tuple[bool, str]:
    message, codes = scenario.expect.split(":", 1)
    allowed = codes.split("|")
    seen = trace.codes(message)
    if any(code in allowed for code in seen):
        code = next(code for code in seen if code in allowed)
        return True, f"{message} {code}"
    if trace.successful_stop:
        return False, f"accepted: session ran to SessionStop ({message} {seen[:1]})"
    last = trace.exchanges[-1] if trace.exchanges else None
    where = f"{last['response']} {last['code']}" if last else "nothing"
    return False, f"wanted {scenario.expect}, last was {where}; {trace.error}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", required=True, choices=sorted(SCENARIOS))
    parser.add_argument("--iface", required=True)
    parser.add_argument("--pki", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path, help="scratch directory")
    parser.add_argument("--out", required=True, type=Path, help="result JSON")
    parser.add_argument("--ev", choices=("plausible", "stock"), default="plausible")
    parser.add_argument("--loops", type=int, default=0, help="charge loops, 0 = scenario")
    parser.add_argument("--timeout", type=float, default=90)
    parser.add_argument("--timeout-factor", type=float, default=1, help="scales every message timeout of the EV")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="append EXI/JSON pairs here")
    parser.add_argument("--log-level", default="INFO")
    args = parser.parse_args()
    scenario = SCENARIOS[args.scenario]
    random.seed(args.seed)

    args.work.mkdir(parents=True, exist_ok=True)
    pki = EvPki(args.pki, args.work / "ev-pki", drop_contract=scenario.cert_install)
    pki.apply(scenario.mutations)
    # The package reads its settings from the environment and from ./.env.
    os.chdir(args.work)
    os.environ.update(
        PKI_PATH=str(pki.root) + "/",
        ENABLE_TLS_1_3=str(scenario.tls == "1.3"),
        MESSAGE_LOG_JSON=str(args.log_level == "DEBUG"),
        MESSAGE_LOG_EXI="False",
        LOG_LEVEL=args.log_level,
    )
    run_all = build(args, scenario, pki)
    traces, codec = asyncio.run(run_all())
    passed, reason = judge(scenario, traces)
    result = {
        "scenario": scenario.name,
        "ev": args.ev,
        "passed": passed,
        "reason": reason,
        "sessions": [trace.report() for trace in traces],
        "ev_codec_ms": codec.summary(),
    }
    args.out.write_text(json.dumps(result, indent=1))
    if args.corpus:
        with args.corpus.open("a") as handle:
            for entry in codec.corpus:
                handle.write(json.dumps(entry) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        logging.getLogger("ev_runner").exception("EV runner failed")
        sys.exit(2)
