"""Named test scenarios for the EV side.

Pure data, no third-party import: the orchestrator reads it with any Python,
and the EV runner reads it inside the virtual environment.

A scenario says what the EV wants (protocol, energy service, TLS, payment,
control mode), which messages it may falsify on the way ("mutations"), and what
outcome counts as a pass.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

DIN = "DIN_SPEC_70121"
ISO2 = "ISO_15118_2"
ISO20_AC = "ISO_15118_20_AC"
ISO20_DC = "ISO_15118_20_DC"


@dataclass
class Scenario:
    """One EV behaviour plus the outcome that is wanted."""

    name: str
    # Protocols the EV offers in SupportedAppProtocolReq, best first.
    protocols: list[str]
    # ISO 15118-2 / DIN EnergyTransferMode, e.g. "DC_extended".
    energy_mode: str = "AC_three_phase_core"
    # ISO 15118-20 energy service: AC, AC_BPT, DC, DC_BPT.
    service: str = "AC"
    # "none", "1.2" (server certificate only) or "1.3" (mutual).
    tls: str = "none"
    # "eim" or "pnc": what the SECC is asked to offer, and what must be used.
    auth: str = "eim"
    # ISO 15118-20 control mode: "scheduled" or "dynamic".
    control: str = "scheduled"
    cert_install: bool = False
    # The SECC is to offer three schedules, each with a SalesTariff.
    tariffs: bool = False
    # The station demands a metering receipt in the first answer of the charging loop, and every five seconds. (Not in every answer: this EV
    # counts only loops without one, and would never stop.)
    receipts: bool = False
    loops: int = 10
    # One entry per communication session, in order: how the EV ends it.
    sessions: list[str] = field(default_factory=lambda: ["terminate"])
    # Names of falsifications, see Mutator and EvPki.apply in ev_runner.py.
    mutations: list[str] = field(default_factory=list)
    # Wanted outcome. "stop" = SessionStopRes OK in every session.
    # Otherwise "<Message>:<ResponseCode>[|<ResponseCode>...]".
    expect: str = "stop"
    # Protocol that must be chosen by the SECC; default: the first offered.
    expect_protocol: str | None = None
    # Messages the EV must have received at least once.
    must_see: list[str] = field(default_factory=list)
    # False: the station does not know this contract, which is good in itself.
    listed: bool = True
    # The named flaw that the station has to give for refusing the contract's chain. Only stations that give an account (--account) are asked.
    flaw: str = ""
    # The station's own reason for the end; default: "refused." and the code of `expect`. Only stations that give an account are asked.
    end: str = ""
    # Set when the EV package itself cannot do this; the run is then reported
    # as XFAIL (and XPASS if it unexpectedly works).
    known_ev_gap: str = ""
    doc: str = ""

    @property
    def chosen_protocol(self) -> str:
        return self.expect_protocol or self.protocols[0]

    @property
    def by(self) -> str:
        """What a station that gives an account has to say that the driver was authorised by; empty where it must not let him charge by contract."""
        if self.auth == "pnc":
            return "contract" if self.expect == "stop" else ""
        return "external identification"

    def to_dict(self) -> dict:
        return asdict(self)


_AC_LOOP = ["ChargingStatusRes"]
_DC_LOOP = ["CurrentDemandRes"]


def _iso2(name: str, current: str, *must_see: str, **kw) -> Scenario:
    ac = current == "AC"
    energy_mode = "AC_three_phase_core" if ac else "DC_extended"
    loop = _AC_LOOP if ac else _DC_LOOP
    return Scenario(name=name, protocols=[ISO2], energy_mode=energy_mode, must_see=[*loop, *must_see], **kw)


def _iso2_pnc(name: str, current: str, *must_see: str, tls: str = "1.2", **kw) -> Scenario:
    return _iso2(name, current, "PaymentDetailsRes", *must_see, tls=tls, auth="pnc", **kw)


def _iso20(name: str, service: str, **kw) -> Scenario:
    protocol = ISO20_AC if service.startswith("AC") else ISO20_DC
    loop = "AC_ChargeLoopRes" if service.startswith("AC") else "DC_ChargeLoopRes"
    must_see = kw.pop("must_see", [loop])
    return Scenario(name=name, protocols=[protocol], service=service, must_see=must_see, **kw)


def _iso2_pnc_negative(name: str, mutation: str, expect: str, doc: str, **more: object) -> Scenario:
    return Scenario(
        name=name,
        protocols=[ISO2],
        tls="1.2",
        auth="pnc",
        mutations=[mutation] if mutation else [],
        expect=expect,
        doc=doc,
        **more,
    )


_ISO20_BAD_CHAIN = (
    "AuthorizationRes:WARNING_CertificateValidationError|"
    "WARNING_GeneralPnCAuthorizationError|WARNING_NoCertificateAvailable|"
    "WARNING_eMSPUnknown|FAILED"
)

_ALL: list[Scenario] = [
    # ---------------------------------------------------------------- DIN 70121
    Scenario(
        "din-dc-eim",
        [DIN],
        energy_mode="DC_extended",
        must_see=_DC_LOOP,
        doc="DIN SPEC 70121, DC, external payment, no TLS",
    ),
    Scenario(
        "din-neg-session-id",
        [DIN],
        energy_mode="DC_extended",
        mutations=["wrong-session-id"],
        expect="ServicePaymentSelectionRes:FAILED_UnknownSession",
        doc="wrong SessionID in ServicePaymentSelectionReq",
    ),
    Scenario(
        "din-neg-energy-type",
        [DIN],
        energy_mode="DC_extended",
        mutations=["wrong-energy-type"],
        expect="ChargeParameterDiscoveryRes:FAILED_WrongEnergyTransferType",
        doc="EVRequestedEnergyTransferType of AC at a DC outlet",
    ),
    Scenario(
        "din-neg-service-id",
        [DIN],
        energy_mode="DC_extended",
        mutations=["wrong-service-id"],
        expect="ServicePaymentSelectionRes:FAILED_ServiceSelectionInvalid",
        doc="ServicePaymentSelectionReq selects a service never offered",
    ),
    Scenario(
        "din-neg-contract",
        [DIN],
        energy_mode="DC_extended",
        mutations=["contract-selected"],
        expect="ServicePaymentSelectionRes:FAILED_PaymentSelectionInvalid",
        doc="payment by contract, which DIN does not offer",
    ),
    # ------------------------------------------------------------- ISO 15118-2
    _iso2("iso2-ac-eim", "AC", doc="AC, EIM, no TLS"),
    _iso2("iso2-dc-eim", "DC", doc="DC, EIM, no TLS"),
    _iso2("iso2-ac-eim-tls", "AC", tls="1.2", doc="AC, EIM over TLS 1.2"),
    _iso2("iso2-dc-eim-tls", "DC", tls="1.2", doc="DC, EIM over TLS 1.2"),
    _iso2_pnc("iso2-ac-pnc", "AC", doc="AC Plug & Charge"),
    _iso2_pnc("iso2-dc-pnc", "DC", doc="DC Plug & Charge"),
    _iso2_pnc(
        "iso2-ac-pnc-tariffs",
        "AC",
        tariffs=True,
        doc="AC Plug & Charge by one of three schedules with signed tariffs",
    ),
    _iso2(
        "iso2-dc-eim-tariffs",
        "DC",
        tariffs=True,
        doc="DC, external payment, by one of three schedules with tariffs",
    ),
    _iso2_pnc(
        "iso2-ac-pnc-certinstall",
        "AC",
        "CertificateInstallationRes",
        cert_install=True,
        doc="AC Plug & Charge after contract certificate installation",
    ),
    _iso2_pnc(
        "iso2-dc-pnc-certinstall",
        "DC",
        "CertificateInstallationRes",
        cert_install=True,
        doc="DC Plug & Charge after contract certificate installation",
    ),
    _iso2_pnc(
        "iso2-ac-pnc-receipts",
        "AC",
        "MeteringReceiptRes",
        receipts=True,
        doc="AC Plug & Charge with metering receipts",
    ),
    _iso2_pnc("iso2-ac-pnc-tls13", "AC", tls="1.3", doc="AC Plug & Charge over mutual TLS 1.3"),
    _iso2(
        "iso2-ac-pause-resume",
        "AC",
        sessions=["pause", "terminate"],
        doc="AC, pause, then resume with the same SessionID",
    ),
    _iso2(
        "iso2-dc-pause-resume",
        "DC",
        sessions=["pause", "terminate"],
        doc="DC, pause, then resume with the same SessionID",
    ),
    # ------------------------------------------------------------ ISO 15118-20
    _iso20("iso20-dc", "DC", doc="DC, Scheduled, EIM, no TLS"),
    _iso20("iso20-dc-dynamic", "DC", control="dynamic", doc="DC, Dynamic, EIM"),
    _iso20("iso20-dc-bpt", "DC_BPT", doc="DC BPT, Scheduled, EIM"),
    _iso20("iso20-dc-bpt-dynamic", "DC_BPT", control="dynamic", doc="DC BPT, Dynamic"),
    _iso20("iso20-ac", "AC", doc="AC, Scheduled, EIM, no TLS"),
    _iso20("iso20-ac-dynamic", "AC", control="dynamic", doc="AC, Dynamic, EIM"),
    _iso20("iso20-ac-bpt", "AC_BPT", doc="AC BPT, Scheduled, EIM"),
    _iso20("iso20-ac-bpt-dynamic", "AC_BPT", control="dynamic", doc="AC BPT, Dynamic"),
    _iso20("iso20-dc-tls12", "DC", tls="1.2", doc="DC, EIM over TLS 1.2, server auth"),
    _iso20("iso20-dc-tls13", "DC", tls="1.3", doc="DC, EIM over mutual TLS 1.3"),
    _iso20("iso20-ac-tls13", "AC", tls="1.3", doc="AC, EIM over mutual TLS 1.3"),
    _iso20("iso20-dc-pnc-tls13", "DC", tls="1.3", auth="pnc", doc="DC Plug & Charge over mutual TLS 1.3"),
    _iso20("iso20-ac-pnc-tls13", "AC", tls="1.3", auth="pnc", doc="AC Plug & Charge over mutual TLS 1.3"),
    _iso20(
        "iso20-dc-pnc-certinstall",
        "DC",
        tls="1.3",
        auth="pnc",
        cert_install=True,
        must_see=["CertificateInstallationRes"],
        known_ev_gap="the EV package has no ISO 15118-20 CertificateInstallation "
        "state (it raises NotImplementedError) and sends the request "
        "with payload type 0x8001",
        doc="DC Plug & Charge with certificate installation",
    ),
    _iso20(
        "iso20-dc-pause-resume",
        "DC",
        sessions=["pause", "terminate"],
        doc="DC, pause, then resume with the same SessionID",
    ),
    _iso20(
        "iso20-ac-pause-resume",
        "AC",
        sessions=["pause", "terminate"],
        doc="AC, pause, then resume with the same SessionID",
    ),
    # ------------------------------------------------------------- negotiation
    Scenario(
        "sap-prefer-iso20-dc",
        [ISO20_DC, ISO2, DIN],
        energy_mode="DC_extended",
        service="DC",
        must_see=["DC_ChargeLoopRes"],
        doc="EV offers -20 DC, -2 and DIN: the highest EV priority must win",
    ),
    Scenario(
        "sap-prefer-iso2-dc",
        [ISO2, ISO20_DC, DIN],
        energy_mode="DC_extended",
        service="DC",
        must_see=_DC_LOOP,
        doc="EV offers -2 before -20 DC and DIN: -2 must win",
    ),
    Scenario(
        "sap-prefer-din",
        [DIN, ISO2],
        energy_mode="DC_extended",
        must_see=_DC_LOOP,
        doc="EV offers DIN before -2: DIN must win",
    ),
    Scenario(
        "sap-prefer-iso2",
        [ISO2, DIN],
        energy_mode="DC_extended",
        must_see=_DC_LOOP,
        doc="EV offers -2 before DIN: -2 must win",
    ),
    Scenario(
        "sap-no-match",
        [ISO2],
        mutations=["unknown-app-protocol"],
        expect="supportedAppProtocolRes:Failed_NoNegotiation",
        doc="EV offers only an unknown namespace",
    ),
    # ---------------------------------------------- negative, ISO 15118-2 / -20
    Scenario(
        "iso2-neg-session-id",
        [ISO2],
        mutations=["wrong-session-id"],
        expect="PaymentServiceSelectionRes:FAILED_UnknownSession",
        doc="wrong SessionID in PaymentServiceSelectionReq",
    ),
    Scenario(
        "iso2-neg-energy-mode",
        [ISO2],
        mutations=["wrong-energy-mode"],
        expect="ChargeParameterDiscoveryRes:FAILED_WrongEnergyTransferMode|FAILED_WrongChargeParameter",
        doc="RequestedEnergyTransferMode that was not offered",
    ),
    Scenario(
        "iso2-neg-service-id",
        [ISO2],
        mutations=["wrong-service-id"],
        expect="PaymentServiceSelectionRes:FAILED_ServiceSelectionInvalid|FAILED_NoChargeServiceSelected",
        doc="PaymentServiceSelectionReq selects a service never offered",
    ),
    Scenario(
        "iso2-neg-schedule-id",
        [ISO2],
        mutations=["wrong-schedule-id"],
        expect="PowerDeliveryRes:FAILED_TariffSelectionInvalid",
        doc="PowerDeliveryReq names an SAScheduleTupleID never offered",
    ),
    Scenario(
        "iso2-neg-charging-profile",
        [ISO2],
        mutations=["profile-over-limit"],
        expect="PowerDeliveryRes:FAILED_ChargingProfileInvalid",
        doc="ChargingProfile exceeds the offered PMaxSchedule",
    ),
    _iso2_pnc_negative(
        "iso2-neg-signature",
        "broken-signature",
        "AuthorizationRes:FAILED_SignatureError",
        "AuthorizationReq with a flipped signature bit",
    ),
    _iso2_pnc_negative(
        "iso2-neg-challenge",
        "wrong-challenge",
        "AuthorizationRes:FAILED_ChallengeInvalid",
        "AuthorizationReq, correctly signed, returns another GenChallenge",
    ),
    _iso2_pnc_negative(
        "iso2-neg-forged-contract",
        "forged-contract",
        "PaymentDetailsRes:FAILED_CertChainError",
        "contract chain with the right names and extensions, but issued by an unknown EC root",
        flaw="bad-signature",
    ),
    _iso2_pnc_negative(
        "iso2-neg-forged-contract-rsa",
        "forged-contract-rsa",
        "PaymentDetailsRes:FAILED_CertChainError",
        "contract chain with the right names and extensions, but issued by an unknown RSA sub-CA",
        flaw="signature-algorithm-not-allowed",
    ),
    _iso2_pnc_negative(
        "iso2-neg-expired-contract",
        "expired-contract",
        "PaymentDetailsRes:FAILED_CertificateExpired",
        "contract certificate of the right PKI, expired yesterday",
        flaw="leaf-expired",
    ),
    _iso2_pnc_negative(
        "iso2-neg-emaid",
        "wrong-emaid",
        "PaymentDetailsRes:FAILED_CertChainError",
        "eMAID that differs from the contract certificate's common name",
        flaw="emaid-mismatch",
    ),
    _iso2_pnc_negative(
        "iso2-neg-unlisted-contract",
        "",
        "AuthorizationRes:FAILED",
        "a good contract, properly signed for, that is on no list of the station",
        listed=False,
    ),
    _iso2_pnc_negative(
        "iso2-neg-stop-before-proof",
        "stop-before-proof",
        "SessionStopRes:OK",
        "a contract chain that is shown and never proved: SessionStopReq in place of AuthorizationReq",
        end="completed.stopped-early",
    ),
    _iso20(
        "iso20-neg-session-id",
        "DC",
        mutations=["wrong-session-id"],
        expect="ServiceDiscoveryRes:FAILED_UnknownSession",
        must_see=[],
        doc="wrong SessionID in ServiceDiscoveryReq",
    ),
    _iso20(
        "iso20-neg-signature",
        "DC",
        tls="1.3",
        auth="pnc",
        must_see=[],
        mutations=["broken-signature"],
        expect="AuthorizationRes:FAILED|FAILED_SignatureError|WARNING_GeneralPnCAuthorizationError",
        doc="PnC AuthorizationReq with a flipped signature bit",
    ),
    _iso20(
        "iso20-neg-challenge",
        "DC",
        tls="1.3",
        auth="pnc",
        must_see=[],
        mutations=["wrong-challenge"],
        expect="AuthorizationRes:WARNING_ChallengeInvalid|FAILED",
        doc="PnC AuthorizationReq, correctly signed, returns another GenChallenge",
    ),
    _iso20(
        "iso20-neg-forged-contract",
        "DC",
        tls="1.3",
        auth="pnc",
        must_see=[],
        mutations=["forged-contract"],
        expect=_ISO20_BAD_CHAIN,
        doc="contract chain with the right names but issued by an unknown root",
    ),
    _iso20(
        "iso20-neg-expired-contract",
        "DC",
        tls="1.3",
        auth="pnc",
        must_see=[],
        mutations=["expired-contract"],
        expect="AuthorizationRes:WARNING_CertificateExpired|WARNING_CertificateValidationError|FAILED",
        doc="contract certificate of the right PKI, expired yesterday",
    ),
]

SCENARIOS: dict[str, Scenario] = {s.name: s for s in _ALL}

# Sets that can be named on the command line.
GROUPS: dict[str, list[str]] = {
    "all": [s.name for s in _ALL],
    "positive": [s.name for s in _ALL if s.expect == "stop"],
    "negative": [s.name for s in _ALL if s.expect != "stop"],
    "din": [s.name for s in _ALL if s.name.startswith("din-")],
    "iso2": [s.name for s in _ALL if s.name.startswith("iso2-")],
    "iso20": [s.name for s in _ALL if s.name.startswith("iso20-")],
    "smoke": ["din-dc-eim", "iso2-ac-eim", "iso2-dc-pnc", "iso20-dc"],
}


def resolve(names: list[str]) -> list[Scenario]:
    """Expand scenario and group names, keeping order and dropping repeats."""
    out: list[Scenario] = []
    for name in names:
        keys = GROUPS.get(name, [name])
        for key in keys:
            if key not in SCENARIOS:
                raise KeyError(f"unknown scenario or group: {key}")
            if SCENARIOS[key] not in out:
                out.append(SCENARIOS[key])
    return out
