"""The state that the phases of one session share. It ends with the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from secc.conversation import Party
from secc.iso2 import timing
from secc.iso2.messages import (
    CableCheckReq,
    EnergyTransferMode,
    IsolationLevel,
    PaymentOption,
    PreChargeReq,
    ServiceDiscoveryReq,
    SessionStopReq,
    UnitSymbol,
)
from secc.iso2.paused import Chosen, Paused, PausedContract
from secc.iso2.schedule import TUPLE_ID, AnySchedule, Stepped
from secc.iso2.services import CERTIFICATES, PARAMETER_SETS, OfferedService, offered
from secc.iso2.units import limit
from secc.session.contract_verdict import ContractVerdict
from secc.session.effects import Decision, Provisioning
from secc.session.no_power import NoPower
from secc.session.offer import Offer, Payment, Transfer
from secc.session.remarks import Remarks
from secc.session.session_id import NO_SESSION
from secc.session.setup_states import SetupStates
from secc.session.terms import Terms
from secc.session.waiting import Pace
from secc.session.wishes import Wishes

MODES: Final = {
    Transfer.AC_SINGLE_PHASE: EnergyTransferMode.AC_SINGLE_PHASE_CORE,
    Transfer.AC_THREE_PHASE: EnergyTransferMode.AC_THREE_PHASE_CORE,
    Transfer.DC: EnergyTransferMode.DC_EXTENDED,
}
"""The energy transfer mode of each transfer: a CCS outlet has its DC on the extended pins."""

_OPTIONS: Final = {Payment.CONTRACT: PaymentOption.CONTRACT, Payment.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT}


next_request: Final = SetupStates(
    SessionStopReq,
    timing.SEQUENCE,
    {
        ServiceDiscoveryReq: "Q-34",
        CableCheckReq: "Q-37",
        PreChargeReq: "Q-37",
    },
)
"""Waits for the next request of a setup state; cars that stop there have their quirks."""


class SessionState:
    """The offer, what was agreed, and what was asked of the session from outside."""

    def __init__(self, offer: Offer) -> None:
        self.paused = offer.paused
        """The paused session of this plug-in, until SessionSetup; the offer may outlive the session."""
        if self.paused is not None:
            offer = replace(offer, paused=None)
        self.offer = offer
        self.wishes = Wishes(offer)
        self.terms = Terms(offer, self.wishes)
        """The transfer in them is fixed by the first ChargeParameterDiscovery. (A-SES-06) (Q-67)"""
        self.pace = Pace(timing.PACE)
        self.session_id = NO_SESSION
        """Chosen in SessionSetup; the header of every response carries it."""
        self.evcc_id = b""
        self.resumed: Paused | None = None
        """The paused session that the car has joined in SessionSetup."""
        self.payment: PaymentOption | None = None
        self.asked: ContractVerdict | None = None
        """The question about the contract that the car has proved."""
        self.before: PausedContract | None = None
        """The contract of the paused session that goes on under the decision made then."""
        self.chosen: Chosen | None = None
        """The schedule on offer; chosen once ``powered``. None while the car negotiates."""
        self.tuple_id = TUPLE_ID
        """The SAScheduleTupleID that the car has chosen."""
        self.stepped: Stepped | None = None
        """The schedule of the backend that the car has chosen."""
        self.no_power = NoPower(self.wishes)
        self.listed: dict[int, OfferedService] = {}
        """The services beside charging that the car has been told of, by number."""
        self.selected: tuple[tuple[int, int | None], ...] = ()
        """The services and parameter sets that the car selected; None: no parameter set."""
        self.isolation: IsolationLevel | None = None
        """The result of the last cable check."""
        self.live = False
        """True once the power path was asked for anything; then it is asked to stop, too."""
        self.powered = False
        """True once PowerDelivery(Start) was accepted in this session."""
        self.announced_soc: int | None = None
        """The state of charge that was last reported."""
        self.remark = Remarks()

    def hear(self, secc: Party) -> None:
        """Register the handlers of events from outside."""
        self.wishes.hear(secc, timing.NOTIFICATION_MAX_DELAY, renegotiates=self.renegotiates)

    def renegotiates(self) -> bool:
        """Whether the limit of now needs another schedule than the one on offer: with a contract in
        AC, since ChargingStatusRes has EVSEMaxCurrent with external payment only; in DC below PMax.
        Not where there is no power, and so no schedule to offer.
        """
        watts = self.terms.maximum_watts
        if self.chosen is None or limit(watts, UnitSymbol.W).value <= 0:
            return False
        if self.terms.is_dc:
            return self.offer.renegotiates_dc and watts < self.chosen.schedule.watts
        return self.payment is PaymentOption.CONTRACT and not self.chosen.schedule.holds(watts)

    # The schedule of a backend

    def choose(self, schedule: AnySchedule) -> Chosen:
        """The car has chosen this one of the schedules on offer."""
        assert self.chosen is not None
        self.chosen = chosen = Chosen(schedule, self.chosen.began_at + schedule.seconds)
        self.tuple_id = schedule.tuple_id
        self.stepped = schedule if isinstance(schedule, Stepped) else None
        self.wishes.outdated = self.renegotiates()
        return chosen

    def stepped_watts(self, watts: float, now: float) -> float:
        """Returns so many watts, within the step of now. Asks the car to negotiate again where the
        schedule has nothing more to say. [V2G2-305]
        """
        stepped, chosen = self.stepped, self.chosen
        if stepped is None or chosen is None:
            return watts
        elapsed = now - chosen.began_at
        if elapsed >= stepped.renews and (self.offer.renegotiates_dc or not self.terms.is_dc):
            self.wishes.renegotiation = True
        return min(watts, stepped.watts_at(elapsed))

    # Pause and resume

    def resume(self, paused: Paused) -> None:
        """The car has joined its paused session: it gets what it chose before. [V2G2-741]"""
        self.resumed, self.session_id = paused, paused.session_id
        self.terms.transfer = paused.transfer

    def pause(self) -> Paused:
        """Returns what a resume needs; the payment option and the transfer are agreed."""
        assert self.payment is not None
        assert self.terms.transfer is not None
        return Paused(
            session_id=self.session_id,
            evcc_id=self.evcc_id,
            tls=self.offer.tls,
            payment=self.payment,
            transfer=self.terms.transfer,
            chosen=self.chosen if self.powered else None,
            services=self.selected,
            contract=self._contract(),
        )

    def _contract(self) -> PausedContract | None:
        """The contract that the car has proved, with the newest decision about it."""
        asked, before = self.asked, self.before
        if asked is None:
            return before
        verdict, at = asked.verdict, round(asked.decided_at, 3)
        if verdict is not None and verdict.decision is Decision.NO_ANSWER and before is not None:
            return before
        # A car that pauses before the answer waits for one at its resume: else it could charge on an old
        # decision for ever.
        return PausedContract(asked.emaid, verdict if verdict is not None and verdict.accepted else None, at)

    def forget(self) -> None:
        """The session has ended: drop what says whose car it was."""
        self.evcc_id = b""
        self.paused = self.resumed = self.asked = self.before = None

    # What is on offer

    @property
    def established(self) -> bool:
        return self.session_id != NO_SESSION

    @property
    def payment_options(self) -> tuple[PaymentOption, ...]:
        """Contract is offered only over TLS; a resumed session has the option chosen before."""
        if self.resumed is not None:
            return (self.resumed.payment,)
        allowed = tuple(_OPTIONS[p] for p in self.offer.payments if p is not Payment.CONTRACT or self.offer.tls)
        return allowed or (PaymentOption.EXTERNAL_PAYMENT,)

    @property
    def services(self) -> tuple[OfferedService, ...]:
        """The services beside charging; a resumed session has those selected before. [V2G2-741]"""
        found = offered(self.offer, self.provisioning)
        if self.resumed is None:
            return tuple(found)
        before = self.resumed.services
        return tuple(kept for service in found if (kept := service.within(before)) is not None)

    @property
    def provisioning(self) -> tuple[Provisioning, ...]:
        """The parameter sets of the certificate service on offer: none without a contract, and none
        in a resumed session, which goes on with the contract of before.
        """
        if self.resumed is not None or PaymentOption.CONTRACT not in self.payment_options:
            return ()
        return self.offer.provisioning

    @property
    def selected_provisioning(self) -> frozenset[Provisioning]:
        """What the car selected of the certificate service; without a parameter set all that is on
        offer.
        """
        sets = {parameter_set for number, parameter_set in self.selected if number == CERTIFICATES}
        return frozenset(kind for kind in self.provisioning if sets & {None, PARAMETER_SETS[kind]})

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        return tuple(MODES[transfer] for transfer in self.transfers)

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """The transfers on offer; a resumed session has the one chosen before."""
        return self.offer.transfers if self.resumed is None else (self.resumed.transfer,)
