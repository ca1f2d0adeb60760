"""Effects and questions of a session, in the station's terms (SI units, no protocol).

The power path (``secc.energy``) hears these as events; trust and the backend answer the questions
about who may charge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import ClassVar, Final, Literal

from certs.certificates import Edition
from certs.contract import Contract
from frozen import dataclass
from hal.readings import DcPhase
from secc.conversation import Effect, Question, Timeout
from secc.session.proof import ProvedContract

# --- For people and the trace -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remark(Effect):
    """A line for log and trace, under a stable code: a field quirk that was tolerated (``Q-69``)."""

    code: str
    text: str


# --- The power path -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenContactor(Effect):
    """No power from now on: supply off, contactor open. The safe effect of every session."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetOutput(Effect):
    """DC: follow this target within every limit. Repeat it, or the power path treats it as stale."""

    volts: float
    amperes: float
    phase: DcPhase
    """PRECHARGE or CHARGE; only the power path uses the phase of the cable check."""


@dataclass(frozen=True, slots=True)
class CableChecked:
    """Result of the insulation test. ``isolation`` in the terms of the standards."""

    passed: bool
    isolation: Literal["invalid", "valid", "warning", "fault", "no_imd"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CheckCable(Question[CableChecked]):
    """DC: close the contactor, test the insulation at the car's maximum voltage, bring the bus
    below 60 V.

    The answer comes ``within``; an unfinished check has then failed.
    """

    ev_maximum_volts: float
    within: Timeout


@dataclass(frozen=True, slots=True)
class KeepCable(Question[CableChecked]):
    """DC, instead of CheckCable after a renegotiation: go on with the cable that was checked before
    it, for a car that has kept its contactor closed and checks nothing again. Passed only where the
    battery is at the output and the insulation monitor has run since the check.
    """

    ev_maximum_volts: float


@dataclass(frozen=True, slots=True)
class PowerReported:
    """Whether the power path did what was asked; ``detail`` is the reason if not."""

    done: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StartPower(Question[PowerReported]):
    """AC: when the car is in C or D, close the contactor. DC: the path is ready to charge. The
    answer comes ``within``.
    """

    within: Timeout


@dataclass(frozen=True, slots=True)
class StopPower(Question[PowerReported]):
    """Ramp down in order, and open the contactor: AC after the car went to B, DC when no current
    flows.

    ``keep_contactor`` (DC, before a renegotiation): supply off and no current, with the contactor
    closed. The car may keep its own closed, and its battery must not meet a discharged supply when
    the outlet's contactor closes again.

    ``within``: the longest time for an AC car to open its switch and for the contactor to report
    open. The contactor always waits for a current that it can break.
    """

    within: Timeout
    keep_contactor: bool = False


@dataclass(frozen=True, slots=True)
class ReportFault(Effect):
    """The power path cannot go on and switches off. The plug-in hears it, and tells the V2G session
    ``Fault(code, text)``.

    ``latched``: the power stays off until the car is unplugged.
    """

    code: str
    text: str = ""
    latched: bool = False


# --- Who may charge -----------------------------------------------------------------------------------------------


class Decision(StrEnum):
    """Outcome of the question whether a driver or contract may charge. Each protocol has one table
    from these to its codes.
    """

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
    """What a decision rests on. A decision without a ground counts for this moment only."""

    UNSAID = "unsaid"
    CHAIN = "chain"
    """The station's own check of chain, roots, dates and EMAID."""
    SETTING = "setting"
    """A setting of the station: the same for every contract or card."""
    ALLOWLIST = "allowlist"
    """An entry of the allowlist, valid or expired."""
    DENYLIST = "denylist"
    UNLISTED = "unlisted"
    """Offline, and on no list."""
    MEMORY = "memory"
    """A remembered earlier decision, or a cache of the backend's."""
    BACKEND = "backend"
    """The backend's answer about the identity: good, or blocked, expired, invalid, unknown, without
    credit, revoked, cancelled.
    """
    CIRCUMSTANCES = "circumstances"
    """The backend's answer about this place or moment (another transaction runs, not here, not
    now), or about a chain of which it saw hashes.
    """
    SILENCE = "silence"
    """No answer, or none in time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision, its text for the log (never contract data), and its ground."""

    decision: Decision
    detail: str = ""
    ground: Ground = Ground.UNSAID

    @property
    def accepted(self) -> bool:
        return self.decision is Decision.ACCEPTED


@dataclass(frozen=True, slots=True)
class ValidateContract(Question["Contract | Verdict"]):
    """Is this chain (DER, leaf first) valid by the station's roots of this edition, and does it
    belong to this EMAID? A Contract, or why not.

    ``repr`` shows no contract data.
    """

    chain: tuple[bytes, ...]
    emaid: str
    edition: Edition

    def __repr__(self) -> str:
        return f"ValidateContract({len(self.chain)} certificates)"


@dataclass(frozen=True, slots=True)
class AuthorizeContract(Question[Verdict]):
    """May this contract charge here and now? Takes a validated contract only.

    Asked before the proof it saves the car a second; the answer counts when the session says
    :class:`Identify`.
    """

    contract: Contract | ProvedContract


@dataclass(frozen=True, slots=True)
class Identify(Effect):
    """The car has proved this contract; ``verdict`` is the decision. No other effect about a
    contract leaves a session.
    """

    contract: ProvedContract
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class IdentifyAgain(Identify):
    """As ``Identify``, by the decision that the session before the pause was given: the backend may
    have decided otherwise since, and does not hear it as news.
    """


# --- Pause and resume ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepForResume(Effect):
    """The car pauses: keep this value for the plug-in, and pass it to the next session in its
    ``Offer``. Only the session's protocol reads it.
    """

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resume(Effect):
    """The car has joined the session that it paused; its transaction goes on. Said before
    ``SESSION_SET_UP``.
    """


# --- Contracts for the car ----------------------------------------------------------------------------------------


PROVISIONED_OCTETS: Final = 12_750
"""The longest answer of a provisioning service that is relayed: 17 000 characters of base64, the
most that OCPP 2.1 has for it.
"""


class Provisioning(StrEnum):
    """What a car asks a provisioning service for: its first contract, or a newer one."""

    INSTALLATION = "installation"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class OemCertificate:
    """A car's provisioning certificate that keeps to its profile. ``anchored``: its root is
    installed here; otherwise the provisioning service alone judges who issued it.
    """

    der: bytes = field(repr=False)
    anchored: bool


@dataclass(frozen=True, slots=True)
class ValidateOemCertificate(Question["OemCertificate | Verdict"]):
    """Is this a valid provisioning certificate (DER) of this edition? ``repr`` does not show it."""

    der: bytes = field(repr=False)
    edition: Edition


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The answer of a provisioning service, checked, for the car as it is."""

    octets: bytes = field(repr=False)


class NoContract(StrEnum):
    """Why a car gets no contract. A protocol has a code for the first two."""

    NOT_AVAILABLE = "no-certificate-available"
    CANCELLED = "contract-cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProvisioningRefused:
    """The provisioning service has no contract for the car, or no usable answer."""

    why: NoContract
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProvisionContract(Question[Provisioned | ProvisioningRefused]):
    """Ask the provisioning service for a contract, with the car's ``request`` as it came. The
    answer comes within ``seconds``.

    ``fingerprint`` names the key that signed the request, to limit requests for each.
    ``accept`` checks the octets of an answer, and takes a millisecond or more: not for the event
    loop.
    """

    kind: Provisioning
    request: bytes = field(repr=False)
    fingerprint: str = field(repr=False)
    seconds: float
    accept: Callable[[bytes], Provisioned | ProvisioningRefused] = field(repr=False, compare=False)


# --- How far it has come ------------------------------------------------------------------------------------------


class Milestone(StrEnum):
    """Progress of a session, in its order."""

    SESSION_SET_UP = "session set up"
    IDENTIFICATION_CHOSEN = "identification chosen"
    CONTRACT_PROVISIONED = "contract provisioned"
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
    """Report a milestone. ``facts`` are for the log and the status: SI numbers and words, no
    personal data.
    """

    milestone: Milestone
    facts: tuple[tuple[str, str | float], ...] = ()
