"""Captures through today's station: recorded cars where they are here, and sessions of our own, thinned and falsified."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from certs.certificates import Edition, parse_certificate
from secc.config import load
from secc.iso2 import messages as m
from secc.iso2.messages import SCHEMA
from secc.session.effects import (
    Decision,
    KeepForResume,
    NoContract,
    OemCertificate,
    ProvisionContract,
    Provisioning,
    ProvisioningRefused,
    ValidateOemCertificate,
    Verdict,
)
from secc.session.events import EimDecided, EmergencyStopped, Fault, LimitChanged, RenegotiationRequested, StopRequested
from secc.session.offer import MeterDetail, Payment
from secc.session.schedules import (
    ChargingSchedule,
    ChargingSchedules,
    ConsumptionCost,
    Cost,
    CostKind,
    PlanCharging,
    PowerSpan,
    Tariff,
    TariffEntry,
)
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService
from secc.session.signature import P256_SHA256, verify
from secc.uplink.provisioning import provision
from tests.captures import captured, recorder, thinned, untimed, written
from tests.lab_trust import LAB
from tests.pair import Outlet
from tests.recordings import CAPTURES
from tests.ways import AC_EIM, AC_PNC, ANCHORS, DC_EIM, DC_PNC, EVERY_KIND, WALLET, Way
from tools.evcc.behaviour import Behaviour
from tools.evcc.behaviour import Payment as Paid
from tools.provisioning import SIGNED, ProvisioningService
from tools.recording import Recorded, read_capture, read_lines
from tools.replay import NotReplayable, SessionOutcome, Setting, main, replay_capture
from tools.replay.configured import configured
from tools.replay.protocols import REPLAYED
from tools.tariffs import EXAMPLES, element, signed

# --- recorded cars --------------------------------------------------------------------------------------------------

RECORDED = {
    "audi-dc-iso2": ["completed.terminated"],
    "ISO-2_AC_DS5366": ["completed.terminated"],
    "ISO-2_DC_Pause_DS5366": ["completed.pause", "completed.terminated"],
    "ISO-2_DC_BatteryDataExchange_DS5366_RiseV2G": ["completed.terminated"],
    "ISO-2_DC_PnC_TLS_Contract_DS5366_RiseV2G": ["completed.terminated"],
    "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G": ["completed.terminated"],
}
"""How their sessions end."""
POLLS: dict[str, set[str]] = {"audi-dc-iso2": {"AuthorizationReq", "CableCheckReq"}, "ISO-2_AC_DS5366": set()}
"""Which of their polls are superfluous for a station that takes no time, beside those of the cable check."""
INSTALLATION = "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G"
PAUSE = "ISO-2_DC_Pause_DS5366"
recorded_cars = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")


def recording(name: str) -> list[Recorded]:
    return read_capture(read_lines(CAPTURES / f"{name}.jsonl"))


@recorded_cars
@pytest.mark.parametrize("quick", [False, True], ids=["as slow as recorded", "quick"])
@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_car_hears_ok_up_to_the_end_of_its_session(name: str, strict: bool, quick: bool) -> None:
    outcomes = replay_capture(recording(name), Setting(strict=strict, quick=quick))
    assert [outcome.reason.code for outcome in outcomes if outcome.reason] == RECORDED[name]
    for outcome in outcomes:
        assert outcome.well
        assert outcome.same
        assert outcome.lacking > 0
        assert not outcome.repeated
        assert not any("SessionID" in line or "random" in line for line in outcome.exchanged)
    polls = {poll for outcome in outcomes for poll in outcome.left_out}
    assert polls == (POLLS.get(name, {"CableCheckReq"}) if quick else set())


@recorded_cars
def test_a_recorded_car_joins_its_session_again() -> None:
    first, second = replay_capture(recording(PAUSE))
    assert first.answers[1].code == "OK_NewSessionEstablished"
    assert second.answers[1].code == "OK_OldSessionJoined"
    assert first.answers[1].octets[:11] == second.answers[1].octets[:11], "the SessionID"


@recorded_cars
@pytest.mark.parametrize("strict", [False, True])
def test_the_recorded_answer_of_a_provisioning_service_reaches_the_car_through_the_port_bit_for_bit(
    sockets: Path, strict: bool
) -> None:
    records = recording(INSTALLATION)
    asked: list[bytes] = []

    def through_the_port(question: ProvisionContract, recorded: bytes) -> bytes | ProvisioningRefused:
        asked.append(question.request)
        return asyncio.run(asked_at(sockets / "cps.sock", question, recorded))

    (outcome,) = replay_capture(records, Setting(strict=strict, provision=through_the_port))
    assert outcome.well
    request = next(each for each in records if _is(each, m.CertificateInstallationReq))
    recorded = next(each for each in records if _is(each, m.CertificateInstallationRes))
    assert asked == [request.octets]
    (sent,) = (answer.octets for answer in outcome.answers if answer.name == "CertificateInstallationRes")
    assert sent == recorded.octets
    message = SCHEMA.decode(sent)
    body = message.body
    assert isinstance(body, m.CertificateInstallationRes)
    parts = (
        body.contract_signature_cert_chain,
        body.contract_signature_encrypted_private_key,
        body.dh_publickey,
        body.emaid,
    )
    references = dict(zip(SIGNED, (part.id for part in parts), strict=True))
    assert len(references) == 4
    key = parse_certificate(body.sa_provisioning_certificate_chain.certificate, Edition.ISO2, "leaf").public_key
    verify(message.header.signature, references, sent, key, SCHEMA, P256_SHA256)


async def asked_at(socket: Path, question: ProvisionContract, recorded: bytes) -> bytes | ProvisioningRefused:
    """A service that has the recorded answer, at the port's socket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).split()
        assert await reader.readexactly(int(line[-1])) == question.request
        writer.write(f"exi {len(recorded)}\n".encode() + recorded)
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, str(socket)):
        return await provision(socket, question.kind, question.request, 4.0)


def _is(record: Recorded, kind: type[m.Body]) -> bool:
    return record.schema == "iso2" and isinstance(SCHEMA.decode(record.octets).body, kind)


BATTERY_DATA = """
[[outlet]]
interface = "eth1"

[[outlet.service]]
id = 61000
name = "Battery data VAS Korea"
free = true
tls_only = false

[[outlet.service.parameter_set]]
id = 31000
parameter = [
    { name = "Protocol", string = "TCP Socket" },
    { name = "IP", string = "fe80::664d:70ff:fe01:60e" },
    { name = "Port", int = 61000 },
    { name = "Interval", int = 3 },
]
"""


@recorded_cars
@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
def test_a_recorded_car_uses_a_service_that_the_configuration_offers(tmp_path: Path, strict: bool) -> None:
    path = tmp_path / "secc.toml"
    path.write_text(BATTERY_DATA)
    setting = Setting(strict=strict, change=configured(load(path)))
    (outcome,) = replay_capture(recording("ISO-2_DC_BatteryDataExchange_DS5366_RiseV2G"), setting)
    assert outcome.well
    assert outcome.same
    told = {difference.message for difference in outcome.differences}
    assert not told & {"ServiceDiscoveryRes", "ServiceDetailRes", "PaymentServiceSelectionRes"}


@recorded_cars
def test_recorded_contracts_are_judged_at_the_date_of_the_recording() -> None:
    name = "ISO-2_DC_PnC_TLS_Contract_DS5366_RiseV2G"
    (outcome,) = replay_capture(recording(name))
    assert any("2025-10-28" in line for line in outcome.exchanged)
    (late,) = replay_capture(recording(name), Setting(at=datetime(2028, 1, 1, tzinfo=UTC)))
    assert late.reason is not None
    assert late.reason.code == "refused.FAILED_CertificateExpired"
    assert not late.same
    assert late.not_fed > 20


@recorded_cars
@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_recording_is_read_and_what_has_no_reader_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_capture(read_lines(path))
    if {"sap", *REPLAYED} >= {record.schema for record in records}:
        assert replay_capture(records)
    else:
        with pytest.raises(NotReplayable, match=r"DIN SPEC 70121|ISO 15118-20"):
            replay_capture(records)
        assert main([str(path)]) == 2
        assert "has no reader here" in capsys.readouterr().err


# --- sessions of our own ------------------------------------------------------------------------------------------------


def session(way: Way, behaviour: Behaviour | None = None, *events: Any, **offer: Any) -> list[Recorded]:
    """A simulated session; ``events`` happen after three seconds."""
    kept = recorder()
    pair = way.pair(behaviour if behaviour is not None else Behaviour(loops=30), recorder=kept, **offer)
    for event in events:
        pair.at(3.0, event)
    pair.run()
    return captured(kept)


def only(records: list[Recorded], setting: Setting | None = None) -> SessionOutcome:
    (outcome,) = replay_capture(read_capture(written(records)), setting)
    return outcome


def names(records: list[Recorded]) -> list[str]:
    """Of the requests, in order."""
    return ["sap" if r.schema == "sap" else type(SCHEMA.decode(r.octets).body).__name__ for r in records if r.ev]


@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_a_session_of_our_own_gets_the_same_octets_again(way: Way, strict: bool) -> None:
    records = session(way)
    outcome = only(records, Setting(strict=strict))
    assert outcome.well
    assert outcome.differences == []
    assert [answer.octets for answer in outcome.answers] == [record.octets for record in records if not record.ev]
    assert outcome.requests == len(records) // 2
    assert (outcome.lacking, outcome.left_out, outcome.repeated, outcome.not_fed) == (0, {}, {}, 0)


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_a_thinned_capture_without_times_is_replayed_and_what_it_lacks_is_counted(way: Way) -> None:
    whole = session(way, Behaviour(loops=60))
    short = thinned(whole, names(whole))
    assert len(short) < len(whole) - 80
    outcome = only(untimed(short))
    assert outcome.well
    assert outcome.same
    assert outcome.lacking == len(whole) - len(short)
    assert outcome.requests == len(short) // 2


def paused(way: Way) -> list[Recorded]:
    """A session that the car pauses, and the one in which it comes back."""
    recorders = [recorder(), recorder()]
    first = way.pair(Behaviour(loops=5, pauses=1), recorder=recorders[0]).run()
    (kept,) = [wish.value for wish in first.wishes if isinstance(wish, KeepForResume)]
    car = Behaviour(loops=5, remembered=first.remembered)
    way.pair(car, recorder=recorders[1], paused=kept).run()
    return captured(*recorders)


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_a_paused_session_is_joined_again(way: Way) -> None:
    first, second = replay_capture(read_capture(written(paused(way))))
    assert first.reason is not None
    assert first.reason.code == "completed.pause"
    assert second.answers[1].code == "OK_OldSessionJoined"
    assert second.well
    assert second.same


def test_a_session_that_was_joined_again_without_its_beginning_gets_another_sessionid() -> None:
    records = [record for record in paused(DC_EIM) if record.session == 1]
    outcome = only(records)
    assert outcome.well
    assert [difference.field for difference in outcome.differences if difference.code] == ["ResponseCode"]
    assert any("SessionID of the car's requests" in line for line in outcome.exchanged)
    assert any("random numbers: SessionSetupReq" in line for line in outcome.exchanged)


def test_polls_are_left_out_where_the_station_is_quicker() -> None:
    outlet = Outlet(cable_seconds=2.0)
    kept = recorder()
    pair = DC_EIM.pair(Behaviour(loops=5), outlet, recorder=kept, free=False)
    pair.at(2.0, EimDecided(accepted=True, by="rfid")).run()
    records = captured(kept)
    slow, quick = only(records), only(records, Setting(quick=True))
    assert slow.left_out == {}
    assert slow.differences == []
    assert quick.well
    assert quick.same
    polls = names(records)
    # The power path is asked with the first CableCheckReq, and its result told with the second.
    for poll, needed in (("AuthorizationReq", 1), ("CableCheckReq", 2)):
        assert polls.count(poll) > 3
        assert quick.left_out[poll] == polls.count(poll) - needed
    assert slow.requests - quick.requests == quick.left_out.total()


def test_a_long_wait_of_the_recorded_station_is_not_a_silence_of_the_car() -> None:
    kept = recorder()
    pair = DC_EIM.pair(Behaviour(loops=5), recorder=kept, free=False)
    pair.at(200.0, EimDecided(accepted=True, by="rfid")).run()
    outcome = only(captured(kept), Setting(quick=True))
    assert outcome.well
    assert outcome.left_out["AuthorizationReq"] > 500


def test_polls_are_added_where_the_recording_lacks_those_that_the_station_needs() -> None:
    records = session(DC_EIM)
    polls = [n for n, name in enumerate(names(records)) if name == "CableCheckReq"]
    assert len(polls) > 2
    outcome = only([*records[: 2 * polls[0] + 2], *records[2 * polls[-1] + 2 :]])
    assert outcome.well
    assert outcome.same
    assert outcome.repeated == {"CableCheckReq": 1}
    assert outcome.lacking == 2 * len(polls) - 2


def test_a_car_that_leaves_during_the_cable_check_leaves_again() -> None:
    records = session(DC_EIM, Behaviour(stop_before="PreCharge"))
    polls = [n for n, name in enumerate(names(records)) if name == "CableCheckReq"]
    early = [*records[: 2 * polls[1]], *(replace(each, index=2 * polls[1] + n) for n, each in enumerate(records[-2:]))]
    outcome = only(early)
    assert outcome.repeated == {}
    assert outcome.differences == []
    assert outcome.reason is not None
    assert outcome.reason.code == "completed.stopped-early"


@pytest.mark.parametrize(
    "event",
    [StopRequested("driver"), EmergencyStopped(), Fault("weld", "x"), RenegotiationRequested(), LimitChanged(9000.0)],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("way", [DC_EIM, AC_PNC], ids=str)
def test_what_the_recorded_station_asked_of_the_car_is_asked_again(way: Way, event: Any) -> None:
    outcome = only(session(way, Behaviour(loops=60), event))
    assert outcome.same, outcome.differences
    assert outcome.not_fed == 0


FLAWS = {
    "wrong-challenge": "FAILED_ChallengeInvalid",
    "broken-signature": "FAILED_SignatureError",
    "other-emaid": "FAILED_CertChainError",
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_car_that_was_refused_is_refused_again(flaw: str) -> None:
    outcome = only(session(DC_PNC, Behaviour(flaw=flaw)))
    assert not outcome.well
    assert outcome.same
    assert outcome.answers[-1].code == FLAWS[flaw]


@pytest.mark.parametrize(
    ("decision", "code"),
    [(Decision.CERTIFICATE_REVOKED, "FAILED_CertificateRevoked"), (Decision.REJECTED, "FAILED")],
)
def test_a_contract_that_the_recorded_backend_refused_is_refused_again(decision: Decision, code: str) -> None:
    kept = recorder()
    DC_PNC.pair(outlet=Outlet(verdict=Verdict(decision)), recorder=kept).run()
    outcome = only(captured(kept))
    assert outcome.answers[-1].code == code
    assert outcome.differences == []


class Provisioned(Outlet):
    """An outlet with a provisioning service."""

    service: Callable[[bytes], bytes] | None = ProvisioningService.of(LAB).answer

    def answer(self, question: Any) -> Any:
        match question:
            case ValidateOemCertificate(der=der):
                return 0.1, lambda: OemCertificate(der, anchored=False)
            case ProvisionContract():
                if self.service is None:
                    return 0.1, lambda: ProvisioningRefused(NoContract.NOT_AVAILABLE)
                octets = self.service(question.request)
                return 0.1, lambda: question.accept(octets)
        return super().answer(question)


def installed(*, refuses: bool = False) -> list[Recorded]:
    kept = recorder()
    outlet = Provisioned()
    if refuses:
        outlet.service = None
    car = Behaviour(loops=5, provision=Provisioning.INSTALLATION)
    pair = DC_PNC.pair(car, outlet, recorder=kept, provisioning=tuple(Provisioning))
    oem = LAB.provisioning
    wallet = replace(WALLET, oem_chain=tuple(oem.ders), oem_key=oem.leaf.key)  # type: ignore[arg-type]  # P-256 in this edition
    pair.with_wallet(wallet).run()
    return captured(kept)


def test_services_beside_charging_are_those_of_the_recording() -> None:
    kept = recorder()
    every = tuple(
        ServiceParameter(kind.value, kind, content, "Wh" if kind is Kind.PHYSICAL else "")
        for kind, content in zip(Kind, (True, -1, 300, 70_000, 2.5, "warm"), strict=True)
    )
    vendor = VendorService(60_001, "Wash", "car care", tls_only=False, parameter_sets=(ServiceParameterSet(7, every),))
    car = Behaviour(loops=5, services=((3, 2), (60_001, 7)))
    DC_PNC.pair(car, recorder=kept, internet=(Internet.FTP, Internet.HTTPS), services=(vendor,)).run()
    outcome = only(captured(kept))
    assert outcome.well
    assert outcome.same
    assert [line for line in outcome.differences if "Service" in line.field] == []


def test_an_installed_contract_reaches_the_car_as_it_was_recorded() -> None:
    records = installed()
    outcome = only(records)
    assert outcome.well
    assert outcome.differences == []
    (sent,) = (answer.octets for answer in outcome.answers if answer.name == "CertificateInstallationRes")
    assert sent in {record.octets for record in records}


def test_a_contract_that_the_recorded_service_refused_is_refused_again() -> None:
    outcome = only(installed(refuses=True))
    assert outcome.answers[-1].code == "FAILED_NoCertificateAvailable"
    assert outcome.same


class Planning(Outlet):
    """An outlet whose backend gives these schedules."""

    def __init__(self, given: ChargingSchedules, seconds: float = 0.05) -> None:
        super().__init__(anchors=ANCHORS)
        self.given, self.seconds = given, seconds

    def answer(self, question: Any) -> Any:
        if isinstance(question, PlanCharging):
            return self.seconds, lambda: question.accept(self.given)
        return super().answer(question)


def plans(*tariffs: Tariff | None) -> ChargingSchedules:
    """A schedule in steps for each; None: a tariff that the mobility operator has signed."""
    operator = LAB.contract.sub2.key
    assert isinstance(operator, EllipticCurvePrivateKey)
    examples = [element(EXAMPLES[n]) for n, each in enumerate(tariffs) if each is None]
    elements, signature = signed(examples, operator) if examples else ([], b"")
    octets = iter(elements)
    return ChargingSchedules(
        tuple(
            ChargingSchedule(
                n, (PowerSpan(0, 9_000.0 * n), PowerSpan(3600, 11_000.0)), next(octets) if each is None else each
            )
            for n, each in enumerate(tariffs, 1)
        ),
        signature,
    )


PRICES = Tariff(
    4,
    (
        TariffEntry(0, 2, (ConsumptionCost(0.0, (Cost(CostKind.RELATIVE_PRICE, 12.5),)),)),
        TariffEntry(7200, 1),
    ),
    "night",
    2,
)


@pytest.mark.parametrize("seconds", [0.05, 3.0], ids=["at once", "after polls"])
@pytest.mark.parametrize(
    ("way", "given"),
    [(DC_PNC, plans(None)), (AC_PNC, plans(None, None, None)), (DC_EIM, plans(PRICES)), (AC_EIM, plans(PRICES))],
    ids=["DC, signed", "AC, three signed", "DC, values", "AC, values"],
)
def test_recorded_schedules_and_tariffs_are_offered_again_bit_for_bit(
    way: Way, given: ChargingSchedules, seconds: float
) -> None:
    kept = recorder()
    way.pair(Behaviour(loops=10), Planning(given, seconds), recorder=kept, plans=True).run()
    records = captured(kept)
    outcome = only(records)
    assert outcome.well
    assert outcome.differences == []
    assert [answer.octets for answer in outcome.answers] == [record.octets for record in records if not record.ev]
    *_, answer = (each for each in outcome.answers if each.name == "ChargeParameterDiscoveryRes")
    message = SCHEMA.decode(answer.octets)
    body = message.body
    assert isinstance(body, m.ChargeParameterDiscoveryRes)
    assert body.sa_schedules is not None
    tariffs = [one.sales_tariff for one in body.sa_schedules.sa_schedule_tuple]
    assert len(tariffs) == len(given.schedules)
    assert all(tariffs)
    assert (message.header.signature is not None) is (way.payment is Paid.CONTRACT)


@pytest.mark.parametrize("every", [0.0, 1.0, 60.0])
@pytest.mark.parametrize("way", [DC_PNC, AC_PNC], ids=str)
def test_recorded_receipts_are_demanded_and_verified_again(way: Way, every: float) -> None:
    records = session(way, Behaviour(loops=40), receipt_seconds=every, meter_id="METER1")
    receipts = names(records).count("MeteringReceiptReq")
    assert receipts >= 1
    outcome = only(records)
    assert outcome.well
    assert outcome.differences == []
    assert [answer.name for answer in outcome.answers].count("MeteringReceiptRes") == receipts


def test_a_recorded_receipt_that_was_altered_is_refused() -> None:
    def other(body: Any) -> Any:
        return replace(body, meter_info=replace(body.meter_info, meter_reading=1))

    records = session(DC_PNC, receipt_seconds=60.0, meter_id="METER1")
    outcome = only(changed(records, "MeteringReceiptReq", other))
    assert outcome.answers[-1].code == "FAILED_MeteringSignatureNotValid"
    assert not outcome.same


@pytest.mark.parametrize("detail", MeterDetail)
def test_the_meter_is_told_as_it_was_recorded(detail: MeterDetail) -> None:
    outcome = only(session(DC_EIM, meter_id="METER1", meter_detail=detail))
    assert outcome.differences == []


# --- falsified ------------------------------------------------------------------------------------------------------------


def changed(records: list[Recorded], name: str, change: Callable[[Any], Any]) -> list[Recorded]:
    """The capture with another body in the messages of this name; a signature stays as it is."""
    found = []
    for record in records:
        message = SCHEMA.decode(record.octets) if record.schema == "iso2" else None
        if message is not None and message.body is not None and type(message.body).__name__ == name:
            octets = SCHEMA.encode(replace(message, body=change(message.body)))
            record = replace(record, octets=octets)
        found.append(record)
    return found


def test_an_altered_request_does_not_pass_its_signature() -> None:
    def other(body: Any) -> Any:
        return replace(body, gen_challenge=bytes(16)) if body.gen_challenge else body

    outcome = only(changed(session(DC_PNC), "AuthorizationReq", other))
    assert not outcome.same
    assert outcome.answers[-1].code == "FAILED_ChallengeInvalid"
    assert outcome.not_fed > 30


def test_another_recorded_challenge_makes_the_signature_of_the_car_wrong() -> None:
    outcome = only(changed(session(DC_PNC), "PaymentDetailsRes", lambda body: replace(body, gen_challenge=bytes(16))))
    assert outcome.answers[-1].code == "FAILED_ChallengeInvalid"


def test_an_answer_that_differs_is_told_once_with_its_count() -> None:
    records = session(AC_EIM, Behaviour(loops=10))
    other = changed(records, "ChargingStatusRes", lambda body: replace(body, evse_id="DE*ABC*E1"))
    outcome = only(other)
    assert outcome.well
    assert outcome.same
    (difference,) = outcome.differences
    assert (difference.message, difference.field, difference.times) == ("ChargingStatusRes", "EVSEID", 10)
    assert difference.here == "DE*PNX*E12345"
    assert difference.recorded == "DE*ABC*E1"


def test_another_scale_of_the_same_quantity_is_not_a_difference() -> None:
    def scaled(body: Any) -> Any:
        value = body.evse_max_current
        return replace(body, evse_max_current=replace(value, multiplier=value.multiplier - 1, value=value.value * 10))

    outcome = only(changed(session(AC_EIM), "ChargingStatusRes", scaled))
    assert outcome.differences == []


def test_an_answer_with_another_code_is_told_as_such() -> None:
    def refused(body: Any) -> Any:
        return replace(body, response_code=m.ResponseCode.FAILED)

    outcome = only(changed(session(AC_EIM), "SessionStopRes", refused))
    assert outcome.well
    assert not outcome.same
    assert [(each.field, each.here, each.recorded) for each in outcome.differences] == [
        ("ResponseCode", "OK", "FAILED")
    ]


def test_personal_values_of_an_answer_are_shown_as_hashes() -> None:
    """Another provisioning service than the recorded one answers with other keys."""
    service = ProvisioningService.of(LAB)
    outcome = only(installed(), Setting(provision=lambda question, recorded: service.answer(question.request)))
    assert outcome.well
    text = "\n".join(map(str, outcome.differences))
    assert "DHpublickey.#text.sha256" in text
    (sent,) = (answer.octets for answer in outcome.answers if answer.name == "CertificateInstallationRes")
    body = SCHEMA.decode(sent).body
    assert isinstance(body, m.CertificateInstallationRes)
    for secret in (
        body.dh_publickey.value,
        body.contract_signature_encrypted_private_key.value,
        body.contract_signature_cert_chain.certificate,
    ):
        assert secret.hex()[:24] not in text
    assert WALLET.emaid not in text


def test_a_capture_that_ends_early_is_replayed_so_far() -> None:
    outcome = only(session(DC_EIM)[:31])
    assert outcome.reason is None
    assert outcome.same
    assert outcome.requests == 16
    assert not outcome.well


def test_octets_that_are_no_message_are_ignored_as_a_station_does() -> None:
    records = session(AC_EIM)
    place = next(n for n, record in enumerate(records) if n > 2 and record.ev)
    broken = [*records[:place], replace(records[place], octets=b"\x80\xff\xff"), *records[place + 1 :]]
    outcome = only(broken)
    assert not outcome.same
    assert any("ignored" in difference.here for difference in outcome.differences)
    first = only([replace(records[0], octets=b"\x80"), *records[1:]])
    assert first.reason is not None
    assert first.reason.code == "severed.stream-broken"


def test_the_third_request_that_cannot_be_decoded_ends_the_connection() -> None:
    records = session(AC_EIM)
    loop = [n for n, name in enumerate(names(records)) if name == "ChargingStatusReq"]
    for count, ended in ((2, "completed.terminated"), (3, "severed.stream-broken")):
        broken = list(records)
        for n in loop[1 : count + 1]:
            broken[2 * n] = replace(records[2 * n], octets=b"\x80\xff\xff")
        outcome = only(broken)
        assert outcome.reason is not None
        assert outcome.reason.code == ended
        assert (outcome.not_fed == 0) is (count == 2)


def test_a_request_that_is_too_long_ends_the_connection() -> None:
    records = session(AC_EIM)
    long = replace(records[6], octets=records[6].octets + bytes(8192))
    outcome = only([*records[:6], long, *records[7:]])
    assert outcome.reason is not None
    assert outcome.reason.code == "severed.stream-broken"
    assert outcome.not_fed > 10


def test_a_sessionid_that_the_recorded_station_did_not_give_is_left_as_it_is() -> None:
    records = session(AC_EIM)
    place = 2 * names(records).index("ChargingStatusReq")
    message = SCHEMA.decode(records[place].octets)
    other = SCHEMA.encode(replace(message, header=replace(message.header, session_id=b"STRANGER")))
    outcome = only([*records[:place], replace(records[place], octets=other), *records[place + 1 :]])
    assert outcome.answers[-1].code == "FAILED_UnknownSession"
    assert outcome.exchanged == []


def test_a_recorded_station_without_a_sessionid_is_replayed_with_one() -> None:
    records = [
        record
        if record.schema == "sap"
        else replace(
            record,
            octets=SCHEMA.encode(
                replace(message := SCHEMA.decode(record.octets), header=replace(message.header, session_id=bytes(8)))
            ),
        )
        for record in session(AC_EIM)
    ]
    outcome = only(records)
    assert outcome.well
    assert any("SessionID of the car's requests" in line for line in outcome.exchanged)


def test_a_recorded_answer_that_cannot_be_read_is_told() -> None:
    records = session(AC_EIM)
    last = replace(records[-1], octets=b"\x80\xff")
    outcome = only([*records[:-1], last])
    assert outcome.well
    assert [difference.recorded for difference in outcome.differences] == ["cannot be decoded"]


def test_a_capture_without_its_negotiation_is_replayed() -> None:
    outcome = only(session(AC_EIM)[2:])
    assert outcome.well
    assert any("SupportedAppProtocol" in line for line in outcome.exchanged)


def test_a_long_silence_of_the_recorded_car_ends_the_session_by_its_timer() -> None:
    records = session(AC_EIM)
    later = [replace(record, t=(record.t or 0.0) + (61.0 if n >= 12 else 0.0)) for n, record in enumerate(records)]
    outcome = only(later)
    assert outcome.reason is not None
    assert outcome.reason.code == "timer.V2G_SECC_Sequence_Timeout"
    assert outcome.not_fed > 10
    assert not outcome.same


@pytest.mark.parametrize("poll", ["AuthorizationReq", "CableCheckReq"])
def test_a_car_that_polls_for_ever_meets_the_limit_of_the_phase(poll: str) -> None:
    """And the replay comes to its end: a poll more than the session allows is not fed."""
    kept = recorder()
    pair = DC_EIM.pair(Behaviour(loops=5), Outlet(cable_seconds=3.0), recorder=kept, free=False)
    pair.at(2.0, EimDecided(accepted=True, by="rfid")).run()
    records = captured(kept)
    first = 2 * names(records).index(poll)
    asked, answered = records[first : first + 2]
    endless = [
        replace(each, index=first + 2 * n + each.index % 2, t=(asked.t or 0.0) + n * 0.5)
        for n in range(2_000)
        for each in (asked, answered)
    ]
    outcome = only([*records[:first], *endless])
    assert outcome.reason is not None
    assert outcome.reason.code.startswith("timer.")
    assert outcome.not_fed > 1_000


# --- thinned traces -------------------------------------------------------------------------------------------------------


def test_a_thinned_trace_is_replayed_like_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = recorder()
    DC_PNC.pair(Behaviour(loops=60), recorder=kept, payments=(Payment.CONTRACT,)).run()
    lines = [json.loads(line) for line in kept.take()]
    loop = [
        n for n, entry in enumerate(lines) if entry["kind"] == "received" and "CurrentDemandReq" in json.dumps(entry)
    ]
    gap = {"t": lines[loop[40]]["t"], "kind": "thinned", "exchanges": 30}
    short = [*lines[: loop[10]], gap, *lines[loop[40] :]]
    path = tmp_path / "thinned.jsonl"
    path.write_text("\n".join(map(json.dumps, short)))
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "OK in every answer; ended: completed.terminated" in out
    assert "left out by the recording: 60 messages" in out
    path.write_text(
        "\n".join(json.dumps(entry | ({"personal": False} if n == 0 else {})) for n, entry in enumerate(short))
    )
    assert main([str(path)]) == 2
    assert "danger_trace_personal" in capsys.readouterr().err


# --- the program ----------------------------------------------------------------------------------------------------------


def test_the_report_has_all_that_was_left_out_exchanged_and_answered_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture.jsonl"
    whole = session(DC_PNC)
    records = changed(
        thinned(whole, names(whole)),
        "SessionStopRes",
        lambda body: replace(body, response_code=m.ResponseCode.FAILED),
    )
    path.write_text("\n".join(written(records)))
    assert main([str(path), "--quick", "--date", "2026-11-20"]) == 1
    out = capsys.readouterr().out
    assert f"{path}: session 0: " in out
    assert "left out by the recording: " in out
    assert "left out here, superfluous polls: AuthorizationReq x 2, CableCheckReq x 2" in out
    assert "exchanged: calendar: 2026-11-20 00:00 UTC, as given" in out
    assert "exchanged: trust: " in out
    assert "SessionStopRes.ResponseCode: here OK, recorded FAILED" in out
    path.write_text("\n".join(written(whole)))
    assert main([str(path), "--strict"]) == 0


def test_a_recording_does_not_write_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "capture.jsonl"
    records = session(AC_EIM)
    once = changed(records, "SessionSetupRes", lambda body: replace(body, evse_id="ZZ\x1b[2J\r\nX"))
    path.write_text("\n".join(written(once)))
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "EVSEID" in out
    assert all(each.isprintable() or each == "\n" for each in out)


CONFIGURATION = """
[[outlet]]
interface = "eth1"
name = "left"

[[outlet]]
interface = "eth2"
name = "right"
evse_id = "DE*ABC*E1"
dc = { maximum_amperes = 20 }
"""


def test_a_configured_outlet_offers_what_it_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, config = tmp_path / "capture.jsonl", tmp_path / "secc.toml"
    path.write_text("\n".join(written(session(DC_EIM))))
    config.write_text(CONFIGURATION)
    assert main([str(path), "--config", str(config), "--outlet", "right"]) == 0
    out = capsys.readouterr().out
    assert "SessionSetupRes.EVSEID: here DE*ABC*E1, recorded DE*PNX*E12345" in out
    assert "EVSEMaximumCurrentLimit: here 20 A, recorded 200 A" in out
    assert main([str(path), "--config", str(config)]) == 0
    assert "EVSEID: here ZZ00000" in capsys.readouterr().out
    assert main([str(path), "--config", str(config), "--outlet", "middle"]) == 2
    assert main([str(path), "--config", str(tmp_path / "none")]) == 2
    config.write_text("[[outlet]]\n")
    assert main([str(path), "--config", str(config)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    with pytest.raises(SystemExit):
        main([str(path), "--outlet", "left"])


def test_a_whole_trace_takes_no_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.jsonl"
    kept = recorder()
    AC_EIM.pair(recorder=kept).run()
    path.write_text("\n".join(kept.take()))
    assert main([str(path)]) == 0
    assert main([str(path), "--strict"]) == 2
    assert "without options" in capsys.readouterr().err
