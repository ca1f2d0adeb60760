"""What the station believes of the time, and what one wrong reading can do to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secc.ops.calendar import BUILT, SLACK, Calendar, read_seen, reset_seen
from secc.ops.clocks import Clocks

TODAY = BUILT + timedelta(days=10)
FAR = datetime(2038, 1, 19, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Board(Clocks):
    """A board whose clocks say what the test wants. ``system`` and ``hardware`` run with ``passes``."""

    system: datetime = TODAY
    hardware: datetime | None = None
    network: bool = True
    up: float = 100.0
    boots: int = 1

    def now(self) -> datetime:
        return self.system

    def synchronised(self) -> bool:
        return self.network

    def uptime(self) -> float:
        return self.up

    def boot(self) -> str:
        return f"boot {self.boots}"

    def rtc(self) -> datetime | None:
        return self.hardware

    def passes(self, time: timedelta) -> None:
        self.system += time
        self.up += time.total_seconds()
        if self.hardware is not None:
            self.hardware += time

    def off(self, time: timedelta) -> None:
        """Power off for so long; the clock that runs on a battery, if any, sets the system's at the boot."""
        self.passes(time)
        self.up, self.boots = 20.0, self.boots + 1


def seen(path: Path) -> datetime:
    return read_seen(path).time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a station that was set up by root today."""
    reset_seen(tmp_path / "last-seen", Board())
    return tmp_path / "last-seen"


def test_the_floor_follows_a_confirmed_clock(path: Path) -> None:
    board = Board()
    calendar = Calendar(path, vouched=False, clocks=board)
    for _ in range(100):
        board.passes(HOUR)
        calendar.remember()
        assert seen(path) == board.system
    board.network = False
    board.passes(HOUR)
    calendar.remember()
    assert seen(path) == board.system - HOUR, "nothing confirms this hour"
    assert not calendar.wall().trusted
    assert calendar.wall().time == board.system


@pytest.mark.case("A-PKI-06")
@pytest.mark.parametrize("vouched", [False, True])
def test_one_reading_far_ahead_is_forgotten(path: Path, vouched: bool) -> None:
    """As the floor it would leave every later clock "behind" for eleven years."""
    board = Board(network=not vouched)
    calendar = Calendar(path, vouched=vouched, clocks=board)
    board.system = FAR
    for _ in range(30):
        calendar.remember()
        board.passes(HOUR)
    assert seen(path) <= TODAY + 30 * HOUR, "the time that passed, and no more"
    board.system = TODAY + 30 * HOUR
    assert calendar.wall().trusted
    calendar.remember()
    assert seen(path) == board.system
    board.off(HOUR)
    assert Calendar(path, vouched=vouched, clocks=board).wall().trusted, "after a reboot"


@pytest.mark.case("A-PKI-06")
def test_many_small_steps_go_no_further_than_a_day(path: Path) -> None:
    """Nor does a restart of the service grant another one."""
    board = Board()
    for _ in range(50):
        board.system += 23 * HOUR
        Calendar(path, vouched=False, clocks=board).remember()
    assert TODAY < seen(path) <= TODAY + SLACK


@pytest.mark.case("A-PKI-06")
def test_no_further_than_the_newest_end_of_our_own_chains(path: Path) -> None:
    board = Board()
    calendar = Calendar(path, vouched=False, clocks=board)
    calendar.ends(TODAY + HOUR)
    board.passes(5 * HOUR)
    calendar.remember()
    assert seen(path) == TODAY + HOUR
    assert calendar.wall().time == board.system, "the clock itself is believed"


def test_months_in_a_box_are_caught_up_with_by_two_sources_that_agree(path: Path) -> None:
    board = Board(hardware=TODAY)
    board.off(200 * DAY)
    calendar = Calendar(path, vouched=False, clocks=board)
    assert calendar.wall().trusted
    calendar.remember()
    assert seen(path) == board.system
    assert calendar.remark() == ""


@pytest.mark.parametrize(
    "hardware", [None, timedelta(hours=-1), timedelta(days=-200)], ids=["none", "local time", "empty battery"]
)
def test_one_source_alone_is_believed_and_does_not_move_the_floor_by_months(
    path: Path, hardware: timedelta | None, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board()
    board.off(200 * DAY)
    board.hardware = None if hardware is None else board.system + hardware
    calendar = Calendar(path, vouched=False, clocks=board)
    assert calendar.wall().trusted, "a board that was off for long serves contracts at once"
    with caplog.at_level(logging.INFO):
        calendar.remember()
        calendar.remember()
    assert TODAY <= seen(path) <= TODAY + HOUR
    assert caplog.text.count("trusts a single source for one day more; if the clock is right, confirm it as root") == 1
    assert "secc clock reset" in calendar.remark()


@pytest.mark.case("A-PKI-06")
def test_a_hardware_clock_that_was_told_by_the_network_is_no_second_source(path: Path) -> None:
    """The kernel copies a synchronised system clock into the hardware clock every eleven minutes, wrong ones too."""
    board = Board(hardware=TODAY)
    calendar = Calendar(path, vouched=False, clocks=board)
    board.system = FAR
    calendar.remember()
    board.passes(HOUR)
    board.hardware = board.system
    calendar.remember()
    board.off(HOUR)
    after = Calendar(path, vouched=False, clocks=board)
    after.remember()
    assert seen(path) <= TODAY + 3 * HOUR
    board.system = board.hardware = TODAY + 20 * HOUR
    again = Calendar(path, vouched=False, clocks=board)
    assert again.wall().trusted
    again.remember()
    assert not read_seen(path).rtc_set, "near the floor it is a source like any other"


def test_a_backend_on_a_verified_line_is_believed(path: Path) -> None:
    board = Board()
    board.off(200 * DAY)
    calendar = Calendar(path, vouched=False, clocks=board)
    calendar.told(board.system)
    assert seen(path) == board.system
    assert calendar.remark() == ""


@pytest.mark.case("A-PKI-06")
def test_certificates_are_not_judged_by_a_time_ahead_that_nothing_confirms(path: Path) -> None:
    """A hardware clock that took over a wrong time, and no network after the boot: our own chain has to be shown all the same."""
    board = Board(system=FAR, network=False)
    calendar = Calendar(path, vouched=False, clocks=board)
    assert (calendar.wall().time, calendar.wall().trusted) == (FAR, False)
    assert (calendar.judging().time, calendar.judging().trusted) == (TODAY, False)
    board.system, board.network = TODAY + HOUR, True
    assert (calendar.judging().time, calendar.judging().trusted) == (TODAY + HOUR, True)


@pytest.mark.case("A-PKI-05")
def test_a_clock_that_jumps_back_is_not_believed(path: Path) -> None:
    board = Board()
    calendar = Calendar(path, vouched=False, clocks=board)
    board.system -= timedelta(hours=3)
    wall = calendar.wall()
    assert (wall.time, wall.trusted) == (TODAY, False)
    assert "the clock is wrong now, or was wrong then" in calendar.problem()
    board.system += timedelta(hours=2)
    assert calendar.wall().trusted


@pytest.mark.case("A-PKI-06")
def test_root_says_that_the_clock_is_right(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A floor that an earlier version wrote down; the running station hears of the reset, and shows it for a day."""
    path.write_text("2038-01-19T00:00:00+00:00\n")
    board = Board()
    calendar = Calendar(path, vouched=False, clocks=board)
    assert not calendar.wall().trusted
    assert "this station has seen 2038-01-19 00:00 UTC" in calendar.problem()
    reset_seen(path, board)
    with caplog.at_level(logging.WARNING):
        calendar.reread()
    assert "root has reset the last time seen, from 2038-01-19 00:00 UTC to 2026-11-30 00:00 UTC" in caplog.text
    assert calendar.wall().trusted
    for _ in range(25):
        assert calendar.remark().startswith("root has reset the last time seen, from 2038-01-19") or _ == 24
        board.passes(HOUR)
        calendar.remember()
    assert calendar.remark() == "", "a day later"
    assert seen(path) == board.system


def test_a_reset_is_found_before_the_floor_is_written_down_again(path: Path) -> None:
    path.write_text("2027-01-19T00:00:00+00:00\n")
    board = Board(system=datetime(2027, 1, 20, tzinfo=UTC))
    calendar = Calendar(path, vouched=False, clocks=board)
    board.system = TODAY
    reset_seen(path, board)
    calendar.remember()
    assert seen(path) == TODAY


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-30", "2026-11-30T00:00:00", "2026-11-30T00:00:00+00:00\n[]", "\xff" * 99, "[" * 9999],
)
def test_a_file_that_cannot_be_read_was_never_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "last-seen").write_text(text)
    board = Board()
    calendar = Calendar(tmp_path / "last-seen", vouched=False, clocks=board)
    assert calendar.floor == BUILT
    calendar.remember()
    assert seen(tmp_path / "last-seen") == BUILT + timedelta(seconds=100)


def test_the_clocks_of_this_machine() -> None:
    clocks = Clocks()
    assert abs(clocks.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clocks.synchronised() in (True, False)
    first = clocks.uptime()
    assert 0 < first <= clocks.uptime()
    assert clocks.boot() == clocks.boot()
    assert clocks.rtc() is None or clocks.rtc() is not None
