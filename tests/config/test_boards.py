"""What is configured of an outlet is held against its board before anything runs: what cannot be is an error everywhere, the default is what can."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from secc.cli import main
from secc.config import Ac, Config, Dc, Lab, load
from secc.config.boards import settled
from secc.errors import ConfigError
from secc.ops.check import report
from secc.ops.doctor import examine
from secc.session.durable import Disk
from secc.session.offer import Transfer
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from secc.uplink.lists import read_list
from tests.pages import PAGES
from tests.station_config import configured

AC1, AC3, DC = Transfer.AC_SINGLE_PHASE, Transfer.AC_THREE_PHASE, Transfer.DC
SUPPLY = """board = "chargesom:/dev/ttyLP2"\ndc = "infypower:can0?modules=0,1"\n"""
LINUX = """
[pwm]
chip = 0
channel = 0
[adc.high]
device = "a"
channel = "b"
scale = 0.007
[adc.low]
device = "a"
channel = "b"
scale = 0.007
[gpio]
contactor = "C"
"""


def with_outlet(directory: Path, **changes: object) -> Config:
    config = configured(directory)
    outlet = replace(config.outlets[0], **{"transfers": (), **changes})  # type: ignore[arg-type]
    return replace(config, outlets=(outlet,))


@pytest.mark.parametrize(
    ("hal", "transfers"),
    [
        ("sim:", (DC,)),
        ("sim:?connector=ac", (AC3, AC1)),
        ("sim:?connector=ac&phases=1", (AC1,)),
        ("chargesom:/dev/ttyLP2", (AC3, AC1)),
        ("yeti:/dev/ttyUSB0?phases=1", (AC1,)),
        ("linux:%/linux.toml", (AC1,)),
        ("composed:%/supply.toml", (DC,)),
        ("composed:%/meter.toml", (AC3, AC1)),
    ],
)
def test_transfers_that_are_not_named_are_the_boards(tmp_path: Path, hal: str, transfers: tuple[Transfer, ...]) -> None:
    (tmp_path / "linux.toml").write_text(LINUX)
    (tmp_path / "supply.toml").write_text(SUPPLY)
    (tmp_path / "meter.toml").write_text(SUPPLY.splitlines()[0])
    config = with_outlet(tmp_path, hal=hal.replace("%", str(tmp_path)))
    assert settled(config).outlets[0].transfers == transfers


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"hal": "sim:?connector=ac", "transfers": (AC3, DC)},
            "transfers[1]: is 'dc', but sim:?connector=ac delivers ac-three-phase and ac-single-phase",
        ),
        ({"hal": "sim:", "transfers": (AC1,)}, "transfers[0]: is 'ac-single-phase', but sim: delivers dc"),
        ({"hal": "sim:?connector=ac&phases=1", "transfers": (AC1, AC3)}, "transfers[1]: is 'ac-three-phase', but"),
        ({"hal": "sim:?connector=ac", "dc": Dc(maximum_watts=1000)}, "dc: limits DC, but sim:?connector=ac delivers"),
        ({"hal": "sim:", "ac": Ac(maximum_amperes=10)}, "ac: limits AC, but sim: delivers dc"),
        ({"hal": "wishful:thinking"}, "hal: 'wishful:thinking' is not a board"),
        ({"hal": "sim:?follower=stick"}, "hal: follower: moves the pilot for the car"),
    ],
)
def test_what_cannot_be_is_an_error_in_check_doctor_and_run_alike(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    config = with_outlet(tmp_path, **changes)
    line = f"BAD  outlet 1: {said}"
    assert any(str(finding).startswith(line) for finding in report(config)), report(config)
    assert any(str(finding).startswith(line) for finding in examine(config))
    with pytest.raises(ConfigError, match=re.escape(f"outlet[0].{said}")):
        compose(config, Notifier({}))


def test_run_ends_with_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secc.station.station.take_over", lambda level: None)
    flags = [
        "--iface",
        "lo",
        "--eim",
        "free",
        "--state",
        str(tmp_path),
        "--hal",
        "sim:?connector=ac",
        "--transfers",
        "dc",
    ]
    assert main(["run", *flags]) == 2
    assert "outlet[0].transfers[0]: is 'dc', but sim:?connector=ac delivers" in capsys.readouterr().err


def test_a_follower_is_for_who_asked_for_danger(tmp_path: Path) -> None:
    config = with_outlet(tmp_path, hal="sim:?follower=stick")
    assert settled(replace(config, lab=Lab(danger_follower=True))).outlets[0].transfers == (DC,)


def test_every_station_that_a_page_shows_can_be(tmp_path: Path) -> None:
    """Examples are copied: one that limits the DC side of an AC board would be copied too."""
    shown = 0
    for page in PAGES:
        for number, block in enumerate(page.read_text(encoding="utf-8").split("```toml\n")[1:]):
            text = block.split("```")[0]
            if "[[outlet]]" not in text or "interface" not in text:  # a part of one
                continue
            file = tmp_path / f"{page.stem}-{number}.toml"
            file.write_text(text, encoding="utf-8")
            settled(load(file))
            shown += 1
    assert shown == 5


def test_every_example_can_be(tmp_path: Path) -> None:
    """They travel in the wheel, to be copied to /etc/secc."""
    examples = Path(__file__).resolve().parents[2] / "docs" / "examples"
    for name in ("ac", "dc", "card"):
        text = (examples / f"{name}.toml").read_text(encoding="utf-8")
        (tmp_path / "station.toml").write_text(text.replace("/etc/secc/board.toml", str(examples / "board.toml")))
        (outlet,) = settled(load(tmp_path / "station.toml")).outlets
        assert outlet.transfers == ((DC,) if name == "dc" else (AC3, AC1))
    assert len(read_list(examples / "allowlist.txt", Disk())) == 0
    entries = (examples / "allowlist.txt").read_text().replace("\n#", "\n")
    (tmp_path / "allowlist.txt").write_text(entries)
    assert len(read_list(tmp_path / "allowlist.txt", Disk())) == 3
