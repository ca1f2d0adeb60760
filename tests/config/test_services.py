"""Services beside charging in the configuration: typed parameters, the limits of what cars can be sent, and every way to get them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.config import OutletSettings, load
from secc.errors import ConfigError
from secc.session.services import Internet, Kind, ServiceParameter, ServiceParameterSet, VendorService

HEAD = """\
[trust]
truststore = "roots"
keystore = "/keys"

[[outlet]]
interface = "eth1"
"""

WASH = (
    HEAD
    + """\
internet = ["http-80", "https-443"]

[[outlet.service]]
id = 60001
name = "Wash"
scope = "car care"
free = true
tls_only = false

[[outlet.service.parameter_set]]
id = 1
parameter = [{ name = "Wax", bool = false }, { name = "Minutes", byte = -128 }]

[[outlet.service.parameter_set]]
id = 32767
parameter = [
  { name = "Program", short = 300 },
  { name = "Code", int = 2_147_483_647 },
  { name = "Water", physical = 2.5, unit = "Wh" },
  { name = "Text", string = "warm" },
]

[[outlet.service]]
id = 65535
"""
)


def outlet(tmp_path: Path, text: str) -> OutletSettings:
    file = tmp_path / "station.toml"
    file.write_text(text)
    return load(file).outlets[0]


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        outlet(tmp_path, text)
    return str(error.value).removeprefix(f"{tmp_path}/station.toml:")


def test_services_become_what_the_outlet_offers(tmp_path: Path) -> None:
    settings = outlet(tmp_path, WASH)
    assert settings.internet == (Internet.HTTP, Internet.HTTPS)
    assert [service.offered() for service in settings.services] == [
        VendorService(
            60_001,
            "Wash",
            "car care",
            free=True,
            tls_only=False,
            parameter_sets=(
                ServiceParameterSet(
                    1, (ServiceParameter("Wax", Kind.BOOL, False), ServiceParameter("Minutes", Kind.BYTE, -128))
                ),
                ServiceParameterSet(
                    32_767,
                    (
                        ServiceParameter("Program", Kind.SHORT, 300),
                        ServiceParameter("Code", Kind.INT, 2**31 - 1),
                        ServiceParameter("Water", Kind.PHYSICAL, 2.5, "Wh"),
                        ServiceParameter("Text", Kind.STRING, "warm"),
                    ),
                ),
            ),
        ),
        VendorService(65_535),
    ]


SERVICE = HEAD + "[[outlet.service]]\nid = 60001\n"
SET = SERVICE + "[[outlet.service.parameter_set]]\nid = 1\n"
ONE = '{ name = "A", bool = true }'


def parameters(*texts: str) -> str:
    return SET + f"parameter = [{', '.join(texts)}]\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (HEAD + 'internet = ["gopher"]\n', "7: outlet[0].internet[0]: must be one of 'ftp-20'"),
        (HEAD + 'internet = ["http-80", "http-80"]\n', "7: outlet[0].internet[1]: is in the list twice"),
        (
            HEAD + 'tls = "off"\npayments = ["external"]\ninternet = ["http-80"]\n',
            "9: outlet[0].internet: is offered over",
        ),
        (HEAD + "[[outlet.service]]\nname = 'x'\n", "7: outlet[0].service[0].id: is missing"),
        (HEAD + "[[outlet.service]]\nid = 3\n", "8: outlet[0].service[0].id: must be from 60001 to 65535, not 3"),
        (HEAD + "[[outlet.service]]\nid = 65536\n", "8: outlet[0].service[0].id: must be from 60001 to 65535"),
        (SERVICE + f"name = '{'x' * 33}'\n", "9: outlet[0].service[0].name: must be 1 to 32 ASCII"),
        (SERVICE + "name = 'caf\u00e9'\n", "9: outlet[0].service[0].name: must be 1 to 32 ASCII"),
        (SERVICE + f"scope = '{'x' * 65}'\n", "9: outlet[0].service[0].scope: must be 1 to 64 ASCII"),
        (SERVICE + "price = 3\n", "9: outlet[0].service[0].price: is not known"),
        (SERVICE + "[[outlet.service]]\nid = 60001\nname = 'x'\n", "10: outlet[0].service[1].id: repeats 60001"),
        (
            SERVICE.replace("interface", 'tls = "off"\npayments = ["external"]\ninterface'),
            "9: outlet[0].service[0].tls_only: is true",
        ),
        (SET, "9: outlet[0].service[0].parameter_set[0].parameter: is missing"),
        (SET + "parameter = []\n", "11: outlet[0].service[0].parameter_set[0].parameter: must have at least 1"),
        (
            parameters(ONE).replace("id = 1\n", "id = 0\n"),
            "10: outlet[0].service[0].parameter_set[0].id: must be from 1 to 32767",
        ),
        (
            parameters(ONE) + "[[outlet.service.parameter_set]]\nid = 1\nparameter = [{ name = 'B', byte = 1 }]\n",
            "13: outlet[0].service[0].parameter_set[1].id: repeats 1",
        ),
        (
            parameters(ONE, '{ name = "A", byte = 1 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[1].name: repeats 'A'",
        ),
        (parameters("{ bool = true }"), "11: outlet[0].service[0].parameter_set[0].parameter[0].name: is missing"),
        (
            parameters('{ name = "A" }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0]: needs one value, under one of bool, byte",
        ),
        (
            parameters('{ name = "A", bool = true, int = 1 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0]: needs one value",
        ),
        (
            parameters('{ name = "A", byte = 128 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].byte: must be from -128 to 127",
        ),
        (
            parameters('{ name = "A", short = 1.5 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].short: must be a whole number",
        ),
        (
            parameters('{ name = "A", int = 2147483648 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].int: must be from",
        ),
        (
            parameters('{ name = "A", bool = 1 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].bool: must be true or false",
        ),
        (
            parameters(f'{{ name = "A", string = "{"x" * 65}" }}'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].string: must be 1 to 64",
        ),
        (
            parameters('{ name = "A", physical = 1 }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].unit: is missing",
        ),
        (
            parameters('{ name = "A", physical = 1, unit = "kg" }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].unit: must be one of 'h'",
        ),
        (
            parameters('{ name = "A", physical = nan, unit = "V" }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].physical: must be from",
        ),
        (
            parameters('{ name = "A", physical = 4e7, unit = "V" }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].physical: must be from",
        ),
        (
            parameters('{ name = "A", int = 1, unit = "V" }'),
            "11: outlet[0].service[0].parameter_set[0].parameter[0].unit: is for a physical",
        ),
    ],
)
def test_a_wrong_service_names_its_path_and_line(tmp_path: Path, text: str, error: str) -> None:
    assert refused(tmp_path, text).startswith(error)


def many(services: int = 1, sets: int = 0, entries: int = 1) -> str:
    one = ", ".join(f'{{ name = "P{number}", int = {number} }}' for number in range(entries))
    lines = [HEAD]
    for service in range(services):
        lines.append(f"[[outlet.service]]\nid = {60_001 + service}\n")
        lines += [f"[[outlet.service.parameter_set]]\nid = {n}\nparameter = [{one}]\n" for n in range(1, sets + 1)]
    return "".join(lines)


@pytest.mark.case("Q-70")
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (many(9), "7: outlet[0].service: has 9 entries; cars can be sent 8"),
        (
            many(8).replace('"eth1"\n', '"eth1"\ninternet = ["http-80"]\n'),
            "8: outlet[0].service: has 9 services with internet access and certificates; cars",
        ),
        (
            many(7).replace('"eth1"\n', '"eth1"\ninternet = ["http-80"]\n') + '[uplink]\nprovisioning = "p.sock"\n',
            "8: outlet[0].service: has 9 services with internet access and certificates; cars can be sent 8",
        ),
        (many(1, 6), "9: outlet[0].service[0].parameter_set: has 6 entries; cars can be sent 5"),
        (many(1, 1, 9), "11: outlet[0].service[0].parameter_set[0].parameter: has 9 entries; cars can be sent 8"),
    ],
)
def test_more_than_public_codecs_hold_is_refused(tmp_path: Path, text: str, error: str) -> None:
    assert refused(tmp_path, text).startswith(error)


@pytest.mark.case("Q-70")
def test_the_largest_offer_is_accepted(tmp_path: Path) -> None:
    services = outlet(tmp_path, many(8, 5, 8)).services
    assert [len(service.offered().parameter_sets) for service in services] == [5] * 8
    assert {len(entry.parameters) for service in services for entry in service.offered().parameter_sets} == {8}
