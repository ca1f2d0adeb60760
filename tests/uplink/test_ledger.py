"""Who pays, what the meter said, and what the backend hears of it: the rules of the ledger, as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from secc.conversation import Levels, Wall
from secc.uplink.ledger import Ledger, Transaction
from secc.uplink.port import Identity, SessionEnded, SessionStarted

Contactor = Literal["open", "closed", "unknown"]
CONTACTORS: tuple[Contactor, ...] = ("open", "closed", "unknown")
NOON = Wall(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), trusted=True)
ONE = Wall(datetime(2026, 11, 20, 13, 0, tzinfo=UTC), trusted=True)
CARD = Identity("rfid", "04A2B3C4")
CONTRACT = Identity("emaid", "DE8AAABCDEFGHI1")


def levels(watt_hours: float | None, contactor: Contactor = "closed") -> Levels:
    """Of a board whose meter stands there; None: it has not answered yet."""
    if watt_hours is None:
        return Levels(contactor=contactor)
    return Levels(contactor=contactor, watt_hours=watt_hours, metered_at=1.0)


def ledger() -> Ledger:
    return Ledger("left", "DE*PNX*E1")


def running(kept: Ledger) -> Transaction:
    assert kept.running is not None
    return kept.running


def started(kept: Ledger, watt_hours: float | None = 100.0, **how: object) -> SessionStarted:
    report = kept.began("s1", NOON, levels(watt_hours), **how)  # type: ignore[arg-type]  # as it is called
    assert report is not None
    return report


def ended(kept: Ledger, last: float | None = None) -> SessionEnded:
    transaction = kept.ended()
    assert transaction is not None
    return transaction.ended("completed.full", ONE, last)


# What the meter said


def test_a_transaction_says_when_it_began_and_ended_and_with_which_readings() -> None:
    kept = ledger()
    assert started(kept, 100.0, free=True, meter_id="M1") == SessionStarted(
        session="s1",
        outlet="left",
        evse_id="DE*PNX*E1",
        identity=Identity("free"),
        at=NOON,
        watt_hours=100.0,
        meter_id="M1",
    )
    kept.reading(levels(350.0))
    assert running(kept).delivered == 250.0
    transaction = running(kept)
    assert ended(kept, 351.5) == SessionEnded("s1", "left", "completed.full", ONE, 351.5)
    assert transaction.delivered == 251.5


def test_energy_counts_from_the_last_reading_with_an_open_contactor() -> None:
    """What flows between the closing and the word that power is on was delivered, too."""
    kept = ledger()
    kept.reading(levels(100.0, "open"))
    kept.reading(levels(101.0, "open"))
    kept.reading(levels(103.0, "closed"))
    assert started(kept, 104.0).watt_hours == 101.0
    assert running(kept).delivered == 3.0


def test_without_a_reading_at_rest_energy_counts_from_the_beginning() -> None:
    kept = ledger()
    kept.reading(levels(100.0, "unknown"))
    assert started(kept, 104.0).watt_hours == 104.0


def test_a_transaction_that_runs_moves_no_reading_at_rest() -> None:
    """The contactor opens in the middle of it: a renegotiation, a car that pauses."""
    kept = ledger()
    kept.reading(levels(100.0, "open"))
    assert started(kept, 100.0).watt_hours == 100.0
    kept.reading(levels(200.0, "open"))
    assert kept.began("s1", NOON, levels(200.0)) is None, "energy flows already"
    assert ended(kept).watt_hours == 200.0
    assert kept.running is None


def test_a_board_that_says_nothing_leaves_the_last_reading() -> None:
    kept = ledger()
    kept.reading(levels(100.0, "open"))
    kept.reading(levels(None, "open"))
    started(kept, None)
    kept.reading(levels(180.0))
    kept.reading(levels(None, "unknown"))
    transaction = running(kept)
    assert ended(kept, None).watt_hours == 180.0
    assert transaction.delivered == 80.0


def test_without_a_meter_what_was_delivered_is_not_known() -> None:
    kept = ledger()
    assert started(kept, None).watt_hours is None
    transaction = running(kept)
    assert ended(kept, None).watt_hours is None
    assert transaction.delivered is None
    started(kept, None)
    transaction = running(kept)
    assert ended(kept, 50.0).watt_hours == 50.0
    assert transaction.delivered is None, "one reading is not a difference"


def test_a_meter_that_runs_backwards_has_delivered_nothing() -> None:
    kept = ledger()
    started(kept, 100.0)
    kept.reading(levels(90.0))
    assert running(kept).delivered == 0.0


def test_the_reading_at_rest_of_one_session_is_not_that_of_the_next() -> None:
    kept = ledger()
    kept.reading(levels(100.0, "open"))
    assert kept.ended() is None, "nothing was delivered"
    assert started(kept, 300.0).watt_hours == 300.0


@given(st.lists(st.tuples(st.none() | st.floats(0.0, 10.0), st.sampled_from(CONTACTORS)), max_size=30))
def test_whatever_is_read_the_reports_agree_with_what_was_delivered(
    steps: list[tuple[float | None, Contactor]],
) -> None:
    """``None`` in place of the energy of a step: the board did not answer."""
    kept, meter = ledger(), 1000.0
    kept.reading(levels(meter, "open"))
    begun = started(kept, meter)
    assert begun.watt_hours == meter
    for energy, contactor in steps:
        meter += energy or 0.0
        kept.reading(levels(None if energy is None else meter, contactor))
    transaction = running(kept)
    report = ended(kept, meter)
    assert report.watt_hours == meter
    assert transaction.delivered == meter - 1000.0


# Who pays


def test_a_contract_that_the_car_has_proved_pays() -> None:
    kept = ledger()
    kept.proved(CONTRACT)
    assert started(kept, beside=CARD, free=True).identity == CONTRACT
    assert running(kept).payer == CONTRACT


def test_who_was_identified_from_outside_when_charging_was_authorized_pays_and_not_the_contract() -> None:
    """One plug-in, one identity: a card that was faster than the backend's answer about the contract."""
    kept = ledger()
    kept.proved(CONTRACT)
    kept.authorized(CARD)
    assert started(kept).identity == CARD
    for first, second in ((CARD, CONTRACT), (CONTRACT, CARD)):
        kept = ledger()
        kept.authorized(first)
        kept.proved(second)
        assert started(kept).identity == first


def test_charging_that_is_authorized_by_the_contract_alone_is_paid_by_it() -> None:
    kept = ledger()
    kept.proved(CONTRACT)
    kept.authorized(None)
    assert started(kept).identity == CONTRACT


def test_a_payer_stays_one_when_the_identification_is_taken_back() -> None:
    """A stop takes it back, and the end of the session comes after that."""
    kept = ledger()
    kept.authorized(CARD)
    started(kept)
    kept.authorized(None)
    assert running(kept).payer == CARD


def test_where_nothing_was_decided_before_who_is_identified_now_pays() -> None:
    """Charging by pilot and duty."""
    assert started(ledger(), beside=CARD).identity == CARD


def test_a_free_outlet_and_an_unknown_driver_have_no_payer() -> None:
    for free, kind in ((True, "free"), (False, "unknown")):
        kept = ledger()
        assert started(kept, free=free).identity == Identity(kind)
        assert running(kept).payer is None


def test_who_paid_for_one_session_does_not_pay_for_the_next() -> None:
    for charges in (True, False):
        kept = ledger()
        kept.proved(CONTRACT)
        kept.authorized(None)
        if charges:
            started(kept)
        kept.ended()
        assert started(kept, free=True).identity == Identity("free")


def test_an_identity_is_in_no_repr() -> None:
    kept = ledger()
    kept.proved(CONTRACT)
    started(kept)
    assert "AABC" not in repr(running(kept))


# Pause and resume


def test_one_transaction_goes_on_over_any_number_of_pauses() -> None:
    kept = ledger()
    kept.proved(CONTRACT)
    started(kept, 100.0)
    for reading in (200.0, 300.0, 400.0):
        kept.reading(levels(reading))
        kept.pause()
        assert (kept.running, kept.ended()) == (None, None)
        kept.resume()
        kept.proved(CONTRACT)
        assert kept.began("s2", NOON, levels(reading, "open")) is None, "no second start"
        assert running(kept).session == "s1"
    report = ended(kept, 450.0)
    assert (report.session, report.watt_hours) == ("s1", 450.0)
    assert kept.forgotten() is None


def test_a_paused_transaction_that_is_not_resumed_ends_alone() -> None:
    kept = ledger()
    started(kept, 100.0)
    kept.reading(levels(200.0))
    kept.pause()
    kept.authorized(CARD)
    forgotten = kept.forgotten()
    assert forgotten is not None
    assert (forgotten.session, forgotten.delivered) == ("s1", 100.0)
    assert kept.forgotten() is None
    assert kept.began("s2", NOON, levels(200.0, "open")) is not None
    assert running(kept).payer == CARD


def test_a_pause_before_any_energy_keeps_nothing() -> None:
    kept = ledger()
    kept.pause()
    kept.resume()
    assert kept.forgotten() is None
    assert kept.running is None


def test_the_payer_stays_who_it_was() -> None:
    kept = ledger()
    kept.proved(CONTRACT)
    started(kept)
    kept.pause()
    kept.resume()
    kept.proved(Identity("emaid", "DE8AAOTHERXXXX2"))
    assert kept.authorized(None) is None
    assert running(kept).payer == CONTRACT


def test_another_payer_of_a_resumed_session_gets_a_transaction_of_his_own() -> None:
    """A contract that is refused after the pause must not pay for what a card lets flow."""
    kept = ledger()
    kept.proved(CONTRACT)
    started(kept, 100.0)
    kept.reading(levels(200.0))
    kept.pause()
    kept.resume()
    left = kept.authorized(CARD)
    assert left is not None
    assert (left.session, left.payer, left.delivered) == ("s1", CONTRACT, 100.0)
    kept.reading(levels(200.0, "open"))
    report = kept.began("s2", NOON, levels(200.0))
    assert report is not None
    assert (report.identity, report.watt_hours) == (CARD, 200.0)


def test_the_card_that_paid_before_the_pause_goes_on_paying() -> None:
    kept = ledger()
    kept.authorized(CARD)
    started(kept)
    kept.pause()
    kept.resume()
    assert kept.authorized(CARD) is None
    assert running(kept).session == "s1"
