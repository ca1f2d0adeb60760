"""What becomes of an order to open: seen from the feedback alone, and told from what only waits in a queue of ours."""

from __future__ import annotations

import math

import pytest

from hal.port_queue import CommandFailed
from secc.conversation import Tell
from secc.energy.effects import OpenDcContactor
from secc.energy.events import ContactorOpeningTold
from secc.session.effects import ReportFault
from tests.board_events import contactor_changed
from tests.energy.bench import STOP
from tests.energy.blind import charging_blindly


def test_a_contactor_that_stays_closed_is_found_out_without_the_boards_help() -> None:
    blind = charging_blindly()
    blind.ask(3, STOP)
    blind.run(0.4)
    assert blind.said(ReportFault) == []
    blind.run(0.3)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]
    (tell,) = blind.said(Tell)
    assert not tell.answer.done


@pytest.mark.case("A-RES-09")
def test_an_order_that_waits_in_our_own_queue_is_no_weld() -> None:
    """The loop is held up between our order and the board: half a second of ours has passed, and none of the contactor's."""
    blind = charging_blindly()
    blind.told = False
    blind.ask(3, STOP)
    assert blind.said(OpenDcContactor)
    blind.now += 0.7
    blind.run(0.05)
    assert blind.said(ReportFault) == []
    blind.hear(ContactorOpeningTold())
    blind.contactor = "open"
    blind.hear(contactor_changed("open"))
    blind.run(1.0)
    assert blind.said(ReportFault) == []
    (tell,) = blind.said(Tell)
    assert tell.answer.done


@pytest.mark.case("A-RES-09")
def test_feedback_that_waits_in_our_own_queue_is_no_weld() -> None:
    """The board opened in time and has said so, but what we have read of it is older than that."""
    blind = charging_blindly()
    blind.ask(3, STOP)
    assert blind.said(OpenDcContactor)
    blind.now += 0.8
    blind.feedback_age = 0.75
    blind.run(0.05)
    assert blind.said(ReportFault) == []
    blind.feedback_age, blind.contactor = 0.0, "open"
    blind.hear(contactor_changed("open"))
    blind.run(1.0)
    assert blind.said(ReportFault) == []
    assert blind.said(Tell)


def test_a_driver_that_tells_changes_only_does_not_hide_a_weld() -> None:
    blind = charging_blindly()
    blind.feedback_age = math.inf
    blind.ask(3, STOP)
    blind.run(1.2)
    (tell,) = blind.said(Tell)
    assert not tell.answer.done
    assert blind.said(ReportFault) == []
    blind.run(2.2)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]


def test_an_order_to_open_that_failed_does_not_hide_a_weld() -> None:
    blind = charging_blindly()
    blind.told = False
    blind.ask(3, STOP)
    blind.hear(CommandFailed("OpenDcContactor", "the bus is busy"))
    blind.run(0.7)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]
