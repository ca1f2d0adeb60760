"""What a session wants done, in the station's words (SI units, no protocol).

The power path (``secc.energy``) hears these as events; the trust room and the backend answer the questions about who may charge.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from certs.certificates import Edition
from certs.contract import Contract
from hal.readings import DcPhase
from secc.conversation import Effect, Question, Timeout
from secc.exi.frozen import dataclass
from secc.session.proof import ProvedContract

# --- For people and the trace -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remark(Effect):
    """Something worth a line in log and trace, under a stable code: a field quirk that was tolerated (``Q-69``)."""

    code: str
    text: str


# --- The power path -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenContactor(Effect):
    """No power from now on: supply off, contactor open. The safe effect of every session."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetOutput(Effect):
    """DC: follow this target from now on, within every limit; to be repeated, or the power path takes it for stale."""

    volts: float
    amperes: float
    phase: DcPhase
    """PRECHARGE or CHARGE: the cable check is the power path's own."""


@dataclass(frozen=True, slots=True)
class CableChecked:
    """How the insulation test ended. ``isolation`` in the words of the standards."""

    passed: bool
    isolation: Literal["invalid", "valid", "warning", "fault", "no_imd"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CheckCable(Question[CableChecked]):
    """DC: close the contactor, test the insulation at the car's maximum voltage, bring the bus below 60 V.

    The answer comes ``within``: what is not done by then has failed.
    """

    ev_maximum_volts: float
    within: Timeout


@dataclass(frozen=True, slots=True)
class PowerReported:
    """Whether the power path is where it was asked to be; ``detail`` says what is in the way."""

    done: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StartPower(Question[PowerReported]):
    """AC: when the car is in C or D, close the contactor. DC: the path is ready to charge. The answer comes ``within``."""

    within: Timeout


@dataclass(frozen=True, slots=True)
class StopPower(Question[PowerReported]):
    """Ramp down in order, and open the contactor: AC after the car went to B, DC when no current flows.

    ``keep_contactor`` (DC, before a renegotiation): supply off and no current, behind a contactor that stays closed. The car may keep its own
    closed, and the battery behind it must not meet an empty supply when the outlet's contactor closes again.

    ``within``: no longer than this does an AC car get to open its switch, and the contactor to say that it is open. The contactor waits for a
    current that it can break, however soon the answer is wanted.
    """

    within: Timeout
    keep_contactor: bool = False


@dataclass(frozen=True, slots=True)
class ReportFault(Effect):
    """The power path cannot go on; power is going off already. The plug-in hears it, and tells the V2G session ``Fault(code, text)``.

    ``latched``: nothing will be switched on again until the car is unplugged.
    """

    code: str
    text: str = ""
    latched: bool = False


# --- Who may charge -----------------------------------------------------------------------------------------------


class Decision(StrEnum):
    """What became of the question whether somebody may charge. Each protocol has one table from here to its codes."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_ALLOWED_HERE = "not-allowed-here"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_REVOKED = "certificate-revoked"
    NO_TRUST_ANCHOR = "no-trust-anchor"
    CHAIN_INVALID = "chain-invalid"
    EMAID_MISMATCH = "emaid-mismatch"
    CONTRACT_CANCELLED = "contract-cancelled"
    NO_ANSWER = "no-answer"


class Ground(StrEnum):
    """Why it was decided so: by whom, and about what. A decision without a ground counts for this moment alone."""

    UNSAID = "unsaid"
    CHAIN = "chain"
    """The station's own look at chain, roots, dates and EMAID."""
    SETTING = "setting"
    """A setting of the station: it would be the same for everybody."""
    ALLOWLIST = "allowlist"
    """An entry that lets charge, or one that has run out."""
    DENYLIST = "denylist"
    UNLISTED = "unlisted"
    """Offline, and on no list."""
    MEMORY = "memory"
    """What is remembered of an earlier decision, or a cache of the backend's."""
    BACKEND = "backend"
    """The backend's word about the identity itself: good, or blocked, expired, invalid, unknown, without credit, revoked, cancelled."""
    CIRCUMSTANCES = "circumstances"
    """The backend's word about this place or moment (another transaction runs, not here, not now), or about a chain of which it saw hashes."""
    SILENCE = "silence"
    """No answer, or none in time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, with the words for the log (they never hold contract data) and its ground."""

    decision: Decision
    detail: str = ""
    ground: Ground = Ground.UNSAID

    @property
    def accepted(self) -> bool:
        return self.decision is Decision.ACCEPTED


@dataclass(frozen=True, slots=True)
class ValidateContract(Question["Contract | Verdict"]):
    """Is this chain (DER, leaf first) good by our roots of this edition, and does it belong to this EMAID? A Contract, or why not.

    ``repr`` shows no contract data.
    """

    chain: tuple[bytes, ...]
    emaid: str
    edition: Edition

    def __repr__(self) -> str:
        return f"ValidateContract({len(self.chain)} certificates)"


@dataclass(frozen=True, slots=True)
class AuthorizeContract(Question[Verdict]):
    """May this contract charge here and now? Only a validated one can be asked about.

    Asked before the proof it saves the car a second; the answer is worth something when the session says :class:`Identify`, and not before.
    """

    contract: Contract | ProvedContract


@dataclass(frozen=True, slots=True)
class Identify(Effect):
    """The car has proved this contract, and this was decided about it: the only effect about a contract that leaves a session."""

    contract: ProvedContract
    verdict: Verdict


# --- How far it has come ------------------------------------------------------------------------------------------


class Milestone(StrEnum):
    """What a person wants to see of a session, in the order in which it comes."""

    SESSION_SET_UP = "session set up"
    IDENTIFICATION_CHOSEN = "identification chosen"
    CONTRACT_PRESENTED = "contract presented"
    AUTHORIZED = "authorised"
    PARAMETERS_AGREED = "parameters agreed"
    CABLE_CHECKED = "cable checked"
    PRECHARGED = "precharged"
    POWER_ON = "power on"
    CHARGING = "charging"
    POWER_OFF = "power off"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Reach(Effect):
    """Tell people how far the session has come. ``facts`` are for the log and the status: SI numbers and words, nothing personal."""

    milestone: Milestone
    facts: tuple[tuple[str, str | float], ...] = ()
