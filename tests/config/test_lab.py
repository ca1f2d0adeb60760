"""Orders of a lab: what they may ask for, and what the configuration says to a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secc.config import LabOrders, OutletSettings, Tls, dangers, load
from secc.config.lab import spelled_value
from secc.errors import ConfigError
from secc.session.offer import MeterDetail, Payment
from secc.session.wishes import Held

ON = LabOrders(enabled=True)
BOTH = (Payment.CONTRACT, Payment.EXTERNAL)


def outlet(tls: Tls = Tls.OFFERED, payments: tuple[Payment, ...] = BOTH) -> OutletSettings:
    return OutletSettings(interface="lo", payments=payments, tls=tls)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ongoing", ["CableCheck", "Authorization"], (Held.CABLE_CHECK, Held.AUTHORIZATION)),
        ("payment", "external", Payment.EXTERNAL),
        ("tls", "off", Tls.OFF),
        ("meter_info", "identity", MeterDetail.IDENTITY),
        ("receipts", True, True),
        ("insulation_seconds", 20, 20.0),
    ],
)
def test_an_order_is_taken_and_taken_back(key: str, value: object, expected: object) -> None:
    orders = ON.ordered(key, value)
    assert getattr(orders, key) == expected
    assert list(orders.plain()) == [key]
    assert "<" not in repr(orders.plain()), "plain in a log, too"
    assert orders.ordered(key, None) == ON
    assert orders.ordered("meter_info", "none").plain().keys() == {key, "meter_info"}


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("enabled", False, "enabled: is not an order of a lab; there are: ongoing, payment"),
        ("energy", "free", "energy: is not an order of a lab"),
        ("ongoing", ["PreCharge"], "ongoing[0]: must be one of 'Authorization'"),
        ("ongoing", "CableCheck", "ongoing: must be a list"),
        ("payment", "nobody", "payment: must be one of"),
        ("meter_info", 1, "meter_info: must be one of"),
        ("receipts", 1, "receipts: must be true or false"),
        ("insulation_seconds", -1, "insulation_seconds: must be from 0 to 60"),
        ("insulation_seconds", float("inf"), "insulation_seconds: must be from 0 to 60"),
        ("insulation_seconds", True, "insulation_seconds: must be a number"),
        ("tls", {"is": "off"}, "tls: must be one of"),
    ],
)
def test_a_wrong_order_is_an_error_with_its_name(key: str, value: object, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        ON.ordered(key, value)
    assert str(error.value).startswith(hint)


def test_orders_narrow_what_an_outlet_offers() -> None:
    narrowed = LabOrders(enabled=True, payment=Payment.CONTRACT, tls=Tls.REQUIRED).within(outlet())
    assert (narrowed.payments, narrowed.tls) == ((Payment.CONTRACT,), Tls.REQUIRED)
    assert ON.within(outlet()) == outlet()
    assert LabOrders(enabled=True, tls=Tls.OFF).within(outlet()).tls is Tls.OFF


@pytest.mark.parametrize(
    ("orders", "settings", "hint"),
    [
        (LabOrders(True, tls=Tls.OFF), outlet(Tls.REQUIRED), "tls: is 'off', but tls of outlet '1' is 'required'"),
        (LabOrders(True, tls=Tls.OFFERED), outlet(Tls.REQUIRED), "tls: is 'offered', but tls"),
        (LabOrders(True, tls=Tls.REQUIRED), outlet(Tls.OFF, BOTH[1:]), "tls: is 'required', but tls"),
        (LabOrders(True, payment=Payment.CONTRACT), outlet(payments=BOTH[1:]), "payment: is 'contract', which is not"),
        (LabOrders(True, payment=Payment.CONTRACT, tls=Tls.OFF), outlet(), "tls: is 'off', which leaves"),
    ],
)
def test_no_order_opens_what_the_outlet_keeps_shut(orders: LabOrders, settings: OutletSettings, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        orders.within(settings)
    assert str(error.value).startswith(hint)


FILE = """\
[trust]
truststore = "roots"
keystore = "/keys"

[[outlet]]
interface = "eth1"

[lab.orders]
"""


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ('payment = "external"\n', "station.toml:9: lab.orders.payment: needs lab.orders.enabled = true"),
        ('ongoing = ["CableCheck"]\n', "station.toml:9: lab.orders.ongoing: needs lab.orders.enabled = true"),
        (
            'enabled = true\nongoing = ["CableCheck",\n "PreCharge"]\n',
            "station.toml:11: lab.orders.ongoing[1]: must be one of 'Authorization', 'ChargeParameterDiscovery', 'CableCheck', not 'PreCharge'",
        ),
        (
            "enabled = true\nreceipts = true\n",
            "station.toml:10: lab.orders.receipts: is set, but uplink.receipts names no file for the receipts",
        ),
        (
            'enabled = true\npayment = "contract"\ntls = "off"\n',
            "station.toml:11: lab.orders.tls: is 'off', which leaves of outlet '1' contract without TLS",
        ),
    ],
)
def test_wrong_orders_in_the_file_name_their_line(tmp_path: Path, lines: str, error: str) -> None:
    file = tmp_path / "station.toml"
    file.write_text(FILE + lines)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).removeprefix(f"{tmp_path}/") == error


def test_a_station_that_takes_orders_says_so(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(FILE + 'enabled = true\nongoing = ["Authorization"]\n')
    config = load(file)
    assert config.lab.orders == LabOrders(enabled=True, ongoing=(Held.AUTHORIZATION,))
    (line,) = dangers(config)
    assert line.startswith("lab.orders.enabled = true: ")
    file.write_text(FILE)
    assert dangers(load(file)) == ()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("ongoing", "CableCheck, Authorization", ["CableCheck", "Authorization"]),
        ("insulation_seconds", "12.5", 12.5),
        ("meter_info", "none", "none"),
        ("meter_info", "default", None),
        ("enabled", "true", True),
        ("receipts", "true", True),
        ("energy", "free", "free"),
    ],
)
def test_a_command_line_spells_an_order(key: str, text: str, value: Any) -> None:
    assert spelled_value(key, text) == value


@pytest.mark.parametrize(("key", "text"), [("insulation_seconds", "long"), ("meter_info", None)])
def test_a_command_line_without_a_value_is_refused(key: str, text: str | None) -> None:
    with pytest.raises(ConfigError, match=key):
        spelled_value(key, text)
