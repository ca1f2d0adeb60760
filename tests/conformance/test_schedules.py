"""Rows of ChargeParameterDiscovery with a SalesTariff: the station has its schedules from a file of the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.certificates import Edition, parse_certificate
from secc.config import Config
from secc.errors import SignatureRejected
from secc.iso2.messages import SCHEMA, ResponseCode
from secc.session.signature import P256_SHA256, Form, verify
from tests.conformance.places import Place, pnc, run
from tests.conformance.test_preparation import DAY, FINISHED, STOP_DUE, check_intervals, scheduled
from tests.conformance.tester import Tester
from tests.iso2_car import ac_parameters, dc_parameters
from tests.station_scene import lab_pki
from tools.tariffs import operator_key, write


def planning(config: Config, directory: Path) -> Config:
    """This station with schedules and tariffs, signed for cars with a contract."""
    return replace(config, uplink=replace(config.uplink, schedules=write(directory / "plans", operator_key(lab_pki()))))


def at(place: Place, directory: Path, act: Callable[[Tester], Awaitable[Any]]) -> None:
    run(planning(place.config(directory), directory), lambda scene: _reached(place, scene, act))


async def _reached(place: Place, scene: Any, act: Callable[[Tester], Awaitable[Any]]) -> None:
    await act(await place.reached(scene))


FIRST = [
    scheduled("I2-CPD-07", False, False, False),
    scheduled("I2-CPD-09", False, True, False),
    scheduled("I2-CPD-12", False, False, True),
    scheduled("I2-CPD-14", False, True, True),
    scheduled("I2-CPD-42", True, False, False),
    scheduled("I2-CPD-44", True, True, False),
    scheduled("I2-CPD-47", True, False, True),
    scheduled("I2-CPD-49", True, True, True),
]
AGAIN = [
    scheduled("I2-CPD-08", False, False, False),
    scheduled("I2-CPD-22", False, True, False),
    scheduled("I2-CPD-24", False, False, True),
    scheduled("I2-CPD-25", False, True, True),
    scheduled("I2-CPD-43", True, False, False),
    scheduled("I2-CPD-58", True, True, False),
    scheduled("I2-CPD-60", True, False, True),
]


async def parameters(tester: Tester, departure: int | None, most: int | None) -> Any:
    request = (dc_parameters if tester.dc else ac_parameters)(departure_time=departure)
    return await tester.until_finished(
        replace(request, max_entries_sa_schedule_tuple=most),
        await tester.says(replace(request, max_entries_sa_schedule_tuple=most)),
    )


async def has_tariffs(tester: Tester, departure: int | None, most: int | None) -> Any:
    body = await parameters(tester, departure, most)
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
    tuples = body.sa_schedules.sa_schedule_tuple
    assert [one.sa_schedule_tuple_id for one in tuples] == [1, 2, 3]
    for one in tuples:
        entries = one.p_max_schedule.p_max_schedule_entry
        check_intervals([entry.time_interval for entry in entries], departure or DAY, most)
        assert all(entry.p_max.value > 0 for entry in entries)
        tariff = one.sales_tariff
        assert tariff is not None
        assert 1 <= tariff.sales_tariff_id <= 255
        check_intervals([entry.time_interval for entry in tariff.sales_tariff_entry], departure or DAY, most)
        assert all(entry.e_price_level is not None for entry in tariff.sales_tariff_entry)
    return body


@pytest.mark.parametrize(("place", "departure", "most"), FIRST)
def test_the_first_schedule_has_a_tariff(place: Place, departure: int | None, most: int | None, tmp_path: Path) -> None:
    at(place, tmp_path, lambda tester: has_tariffs(tester, departure, most))


@pytest.mark.parametrize(("place", "departure", "most"), AGAIN)
def test_the_schedule_after_a_renegotiation_has_a_tariff(
    place: Place, departure: int | None, most: int | None, tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        await tester.renegotiates()
        await has_tariffs(tester, departure, most)

    at(replace(place, due=STOP_DUE), tmp_path, act)


@pytest.mark.case("I2X-14", "A-PNC-12")
@pytest.mark.parametrize("of_dc", [True, False])
def test_one_header_signature_covers_the_id_of_every_tariff(of_dc: bool, tmp_path: Path) -> None:
    """The operator's files reach the car bit for bit, and its signature holds over them."""

    async def act(tester: Tester) -> None:
        assert tester.wallet is not None
        body = await parameters(tester, None, None)
        octets = tester.headers[-1].payload
        signature = SCHEMA.decode(octets).header.signature
        tariffs = [one.sales_tariff for one in body.sa_schedules.sa_schedule_tuple]
        ids = tuple(tariff.id for tariff in tariffs)
        assert ids == ("tariff1", "tariff2", "tariff3")
        assert {reference.uri for reference in signature.signed_info.reference} == {f"#{id}" for id in ids}
        for number, id in enumerate(ids, 1):
            assert (
                SCHEMA.fragment_of(octets, "SalesTariff", id)
                == (tmp_path / "plans" / f"tariff-{number}.exi").read_bytes()
            )
        # The certificate that has issued the contract.
        issuer = parse_certificate(tester.wallet.chain[1], Edition.ISO2, "issuer").public_key
        assert isinstance(issuer, ec.EllipticCurvePublicKey)
        assert verify(signature, {"SalesTariff": ids}, octets, issuer, SCHEMA, P256_SHA256) is Form.XMLDSIG
        with pytest.raises(SignatureRejected):
            verify(signature, {"SalesTariff": ids}, octets, tester.wallet.key.public_key(), SCHEMA, P256_SHA256)

    at(pnc("ChargeParameterDiscovery", of_dc=of_dc), tmp_path, act)
