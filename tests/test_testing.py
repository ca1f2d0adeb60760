"""The fixture for other projects: the example of its page, run as another project would run it, and what the example does not show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hal.errors import HalRejected
from secc.cli import main
from secc.iso2.messages import SCHEMA as ISO2
from secc.ops.control import ControlError
from secc.testing import StationUnderTest, configuration
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.driver import Trip, travel
from tools.evcc.hands import SimHands
from tools.evcc.trust import Trust
from tools.evcc.wallet import Wallet

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_the_example_of_the_page_runs_in_another_project(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "test_my_car.py").write_text(found.group(1))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--strict-markers",
            "-p",
            "no:asyncio",
            "test_my_car.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_the_world_is_at_hand_and_says_what_it_cannot(secc_station: StationUnderTest) -> None:
    world = secc_station.world
    with pytest.raises(HalRejected, match="not plugged in"):
        world.close_s2()
    world.plug_in()
    secc_station.until(lambda: secc_station.control.state()["pilot"] == "B")
    world.close_s2()
    secc_station.until(lambda: secc_station.control.state()["pilot"] == "C")
    world.press_emergency_stop()
    secc_station.until(lambda: any(event["event"] == "emergency-stop" for event in secc_station.events))
    assert secc_station.port is None
    world.press_emergency_stop(False)
    with pytest.raises(HalRejected, match="no such fault"):
        world.inject("gremlins")
    assert not world.contactor_closed


def test_the_commands_are_those_of_the_control_socket(secc_station: StationUnderTest) -> None:
    control = secc_station.control
    control.limit(11_000.0)
    assert control.state()["watts_limit"] == 11_000.0
    control.limit(None)
    assert control.state()["watts_limit"] is None
    with pytest.raises(ControlError, match="no session"):
        control.renegotiate()


def test_orders_of_a_lab_are_given_in_python_and_on_the_command_line(
    secc_station: StationUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    control = secc_station.control
    control.lab("meter_info", "identity")
    assert control.state()["lab"] == {"meter_info": "identity"}
    command = ["control", "--socket", str(secc_station.config.control_socket), "lab"]
    assert main([*command, "ongoing", "CableCheck,Authorization"]) == 0
    assert main([*command, "meter_info", "default"]) == 0
    capsys.readouterr()
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == {"ongoing": ["CableCheck", "Authorization"]}
    assert main(["status", "--socket", str(secc_station.config.control_socket)]) == 0
    assert "  lab       ongoing = ['CableCheck', 'Authorization']\n" in capsys.readouterr().out
    assert main([*command, "payment", "contract"]) != 0
    assert "payment: is 'contract', which is not among the payments of outlet '1'" in capsys.readouterr().err


@pytest.mark.secc_station(connector="ac", settings={"strict": True})
def test_the_marker_says_what_the_station_is_like(secc_station: StationUnderTest) -> None:
    assert secc_station.world.truth()["dc"] is False
    assert secc_station.config.lab.strict


def test_nothing_is_left_of_a_station(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    station: StationUnderTest = request.getfixturevalue("secc_station")
    station.world.plug_in()
    station.close()
    assert not station._thread.is_alive()
    assert not station.config.control_socket.exists()
    assert not station.panel.exists()


def names(station: StationUnderTest, direction: str) -> list[str]:
    return [message.name for message in station.messages if message.direction == direction]


def travels(station: StationUnderTest, behaviour: Behaviour, pki: Path | None = None) -> str:
    """Send a car of our own from this process; how it ended."""

    async def go() -> str:
        hands = SimHands(station.panel)
        trip = Trip(
            sdp_port=station.sdp_port,
            trust=None if pki is None else Trust.load(pki),
            wallet=None if pki is None else Wallet.load(pki),
        )
        try:
            return (await travel(trip, behaviour, hands, lambda name, text, facts: None)).code
        finally:
            await hands.unplug()
            hands.close()

    return asyncio.run(go())


@pytest.mark.secc_station(speed=20)
def test_messages_and_trace_are_at_hand(secc_station: StationUnderTest) -> None:
    assert secc_station.messages == []
    assert secc_station.trace == []
    assert travels(secc_station, Behaviour(loops=3)) == "completed.full"
    secc_station.until(lambda: secc_station.trace)
    heard, said = names(secc_station, "received"), names(secc_station, "sent")
    assert heard[:3] == ["SupportedAppProtocolReq", "SessionSetupReq", "ServiceDiscoveryReq"]
    assert [name.replace("Req", "Res") for name in heard] == said
    assert said.count("CurrentDemandRes") == 3
    demand = next(message for message in secc_station.messages if message.name == "CurrentDemandReq")
    assert demand.body.ev_target_voltage is not None
    assert ISO2.decode(demand.octets).body == demand.body
    assert [message.at for message in secc_station.messages] == sorted(message.at for message in secc_station.messages)
    lines = secc_station.trace
    assert lines[0]["kind"] == "trace"
    assert lines[-1]["code"] == "completed.terminated"


@pytest.mark.secc_station(speed=20, tls=True, eim="list", flaws=("expired-leaf", "rsa-leaf"))
def test_a_strangers_contract_is_good_and_on_no_list(secc_station: StationUnderTest) -> None:
    assert secc_station.pki is not None
    assert secc_station.stranger is not None
    ours, theirs = (Wallet.load(car) for car in (secc_station.pki, secc_station.stranger))
    assert ours.emaid != theirs.emaid
    assert ours.chain[1:] == theirs.chain[1:], "of the same house"
    assert set(secc_station.flawed) == {"expired-leaf", "rsa-leaf"}
    by_contract = Behaviour(payment=Payment.CONTRACT, loops=2)
    assert travels(secc_station, by_contract, secc_station.stranger) != "completed.full"
    secc_station.until(lambda: secc_station.ended)
    details = [message for message in secc_station.messages if message.name == "PaymentDetailsRes"]
    assert [message.body.response_code for message in details] == ["OK"], "the chain holds; the backend says no"
    assert secc_station.ended == ["refused.FAILED"]
    assert secc_station.world.watt_hours == 0
    assert travels(secc_station, by_contract, secc_station.pki) == "completed.full"


def test_a_flaw_needs_tls_and_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tls=True"):
        configuration(tmp_path, flaws=("expired-leaf",))
    with pytest.raises(ValueError, match="no flaw gremlins"):
        configuration(tmp_path, tls=True, flaws=("gremlins",))
