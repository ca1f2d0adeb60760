"""The demo's judgement: it says that all of it happened only when all of it did."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import demo, demo_place
from tools.demo_script import CarFailed, CarLine, Story, StoryIncomplete, read_car_line
from tools.replay import replay

FACTS: dict[str, dict[str, Any]] = {
    "tls": {"ocsp": "good"},
    "authorized": {"payment": "contract"},
    "stopped": {"watt_hours": 980.0},
}


def told(story: Story, *, without: str | None = None, facts: dict[str, dict[str, Any]] | None = None) -> Story:
    for name in story.wanted:
        if name != without:
            story.hear(CarLine(name, name, {**FACTS.get(name, {}), **(facts or {}).get(name, {})}))
    return story


def test_whole_story_holds() -> None:
    told(Story("dc", "pnc", tls=True)).check(1000.0)


@pytest.mark.parametrize("name", Story("dc", "pnc", tls=True).wanted)
def test_missing_milestone_is_noticed(name: str) -> None:
    with pytest.raises(StoryIncomplete, match=name):
        told(Story("dc", "pnc", tls=True), without=name).check(1000.0)


def test_milestones_out_of_order_are_noticed() -> None:
    story = told(Story("dc", "pnc", tls=True))
    story.heard.reverse()
    with pytest.raises(StoryIncomplete):
        story.check(1000.0)


@pytest.mark.parametrize(
    "facts",
    [
        {"tls": {"ocsp": "not asked"}},
        {"authorized": {"payment": "external"}},
        {"stopped": {"watt_hours": 500.0}},
        {"stopped": {"watt_hours": 1100.0}},
        {"stopped": {"watt_hours": 0.0}},
    ],
)
def test_facts_that_do_not_fit_are_noticed(facts: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(StoryIncomplete):
        told(Story("dc", "pnc", tls=True), facts=facts).check(1000.0)


def test_ac_without_tls_needs_neither_precharge_nor_chain() -> None:
    story = Story("ac", "eim", tls=False)
    told(story, facts={"authorized": {"payment": "external"}}).check(1000.0)
    assert not {"tls", "precharge", "welding"} & set(story.wanted)


def test_killed_car_does_not_stop() -> None:
    story = Story("dc", "pnc", tls=True, killed=True)
    assert story.wanted[-1] == "killed"
    told(story).check(1000.0)
    assert story.of_next_car().wanted[-2:] == ("stopped", "ended")
    assert story.of_next_car().heard == []


def test_line_of_the_car_is_read() -> None:
    line = read_car_line(json.dumps({"name": "tls", "text": "up", "facts": {"a": 1}}).encode())
    assert line == CarLine("tls", "up", {"a": 1})


@pytest.mark.parametrize("line", [b"Traceback (most recent call last):", b"[]", b'{"name": "x"}', b"\xff\xfe"])
def test_car_that_breaks_down_is_noticed(line: bytes) -> None:
    with pytest.raises(CarFailed, match="process failed"):
        read_car_line(line)


def test_failure_that_the_car_names_is_passed_on() -> None:
    with pytest.raises(CarFailed, match="no station answered"):
        read_car_line(json.dumps({"name": "failed", "text": "no station answered", "facts": {}}).encode())


@pytest.mark.parametrize("argv", [["--no-tls", "--payment", "pnc"], ["--speed", "0"], ["--mode", "wireless"]])
def test_options_that_do_not_fit_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        demo.arguments(argv)
    assert stopped.value.code == demo.USAGE


def test_plain_tcp_means_external_payment() -> None:
    assert demo.arguments(["--no-tls"]).payment == "eim"


def test_pki_is_made_once_and_again_when_it_is_old(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    demo_place.prepare_pki(pki)
    first = (pki / "car" / "contract_chain.pem").read_bytes()
    demo_place.prepare_pki(pki)
    assert (pki / "car" / "contract_chain.pem").read_bytes() == first
    root = pki / "car" / "v2g_root.pem"
    old = root.stat().st_mtime - 2 * 86_400
    os.utime(root, (old, old))
    demo_place.prepare_pki(pki)
    assert (pki / "car" / "contract_chain.pem").read_bytes() != first


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--mode", "ac"],
        ["--payment", "eim"],
        ["--no-tls"],
        ["--mode", "ac", "--no-tls", "--speed", "10"],
        ["--misfortune", "link"],
    ],
)
def test_configuration_that_is_written_is_one(argv: list[str], tmp_path: Path) -> None:
    from secc.config import load

    options = demo.arguments(argv)
    place = demo_place.Place(tmp_path, tmp_path / "s", 15118)
    demo_place.prepare_pki(place.pki)
    config = load(place.write_configuration(options))
    (outlet,) = config.outlets
    assert outlet.transfers[0].is_dc is (options.mode == "dc")
    assert (outlet.tls == "off") is options.no_tls
    assert config.trace.mode == "always"


def test_machine_without_ipv6_is_told_so_and_a_namespace_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(demo, "has_ipv6_loopback", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/unshare")
    monkeypatch.setattr("os.execv", lambda path, command: started.append(command))
    assert demo.main(["--directory", str(tmp_path), "--kill"]) == demo.FAILED
    assert started[0][-4:] == ["--in-namespace", "--directory", str(tmp_path), "--kill"]
    said = capsys.readouterr().out
    assert "IPv6 is switched off on this machine" in said
    assert "FAILED" in said


def test_namespace_without_ipv6_is_the_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo, "has_ipv6_loopback", lambda: False)
    monkeypatch.setattr(demo, "raise_loopback", lambda: None)
    assert demo.main(["--in-namespace"]) == demo.FAILED
    assert "sysctl" in capsys.readouterr().out


def test_port_that_is_taken_is_left_to_its_owner() -> None:
    first = demo_place.free_sdp_port()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", first))
        assert demo_place.free_sdp_port() != first


@pytest.mark.slow
def test_demo_of_a_killed_car_is_true(tmp_path: Path) -> None:
    """The real thing, two processes: Plug & Charge over TLS, the car is killed, the next one charges, and the trace says the same again."""
    command = [sys.executable, "-m", "tools.demo", "--kill", "--speed", "300", "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == demo.OK, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    place = {text: next(n for n, line in enumerate(lines) if text in line) for text in MILESTONES}
    assert list(place.values()) == sorted(place.values()), lines
    traces = sorted((tmp_path / "traces").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    assert len(traces) == 2
    assert f"demo     session trace: {traces[1]}" in lines
    ends = [json.loads(path.read_text().splitlines()[-1])["code"] for path in traces]
    assert ends == ["severed.connection-closed", "completed.terminated"]
    for path in traces:
        outcome = replay(path.read_text().splitlines())
        assert outcome.differences == []
        assert outcome.steps > 20


@pytest.mark.slow
def test_demo_of_a_dead_modem_is_true(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.demo", "--misfortune", "modem", "--payment", "eim", "--no-tls"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == demo.OK, done.stdout + done.stderr
    for line in ("world    the station's modem fails", "session ended: severed.link-lost", "has served the next car"):
        assert line in done.stdout


MILESTONES = (
    "car      plugged in",
    "station  outlet 1: a car is matched",
    "car      matched by SLAC",
    "car      station found by SDP",
    "car      TLSv1.2",
    "car      contract DE-8AA-*******D5 accepted",
    "car      cable check passed",
    "car      charging: ",
    "demo     the car's process was killed",
    "world    contactor open",
    "demo     that car is unplugged",
    "demo     the station has served the next car",
    "demo     session trace: ",
    "demo     all of it happened",
    "demo     what to try next:",
    "secc diagram ",
)


def test_what_it_says_to_try_next_exists(tmp_path: Path) -> None:
    """Pages and options are not made up, and the trace is the one of this run."""
    lines = list(demo.what_next(tmp_path / "session.jsonl", "dc"))
    assert f"diagram {tmp_path}/session.jsonl" in lines[1]
    for line in lines[2:4]:
        (given,) = re.findall(r"DEMO=(?:'([^']+)'|(?=--)(\S+))", line)
        demo.arguments("".join(given).split())
    root = Path(demo.__file__).resolve().parents[1]
    assert all((root / line.split()[0]).is_file() for line in lines[4:])
