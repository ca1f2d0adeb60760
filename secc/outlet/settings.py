"""The times and counts of a plug-in."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from frozen import dataclass
from secc.conversation import Timeout
from secc.session.identification import TOKEN_SECONDS
from secc.session.offer import AcLimits


class Hlc(StrEnum):
    """Whether an AC outlet uses high-level communication (digital), or pilot and duty alone."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    """5 % first; charging by pilot and nominal duty where that fails."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class PlugInSettings:
    """Settings of one outlet for its plug-ins."""

    free: bool = False
    """True: the driver need not be identified."""
    token_seconds: float = TOKEN_SECONDS
    setup_seconds: float = 20.0
    """V2G_SECC_CommunicationSetup: from the link to SessionSetupReq. Between 18 and 20 s by the
    standard. [V2G2-723]
    """
    oscillator_off_seconds: float = 3.0
    """X1 between two attempts: the car notices it and opens its switch within this time. IEC
    61851-1 T_step_X1.
    """
    longest_pause_seconds: float = 60.0
    """The pause doubles with every session in a row in which nothing was charged, up to this.
    (A-SES-10)
    """
    sessions: int = 100
    """V2G sessions in one plug-in; then it is over until the cable is out. (A-SES-10)"""
    connections: int = 20
    """Connections without a session in one setup window; then it is closed. (A-SES-10)"""
    hlc: Hlc = Hlc.PREFERRED
    modem: bool = False
    """True: a car is matched by SLAC before it can connect. False: the link is there with the
    cable.
    """
    pwm_delay_seconds: float = 0.5
    """Between arming the matching and the duty: some cars ask immediately. (Q-01)"""
    ac: AcLimits | None = None
    """Limits of the AC side; None: a DC outlet, which always uses digital communication."""
    lock: bool = False
    """True: power needs a locked plug."""
    contract_by_pilot: bool = True
    """A contract that was accepted in a session without charging pays for charging by pilot (Q-41).
    False where cars sign receipts or keep a backend's schedule: by pilot they do neither.
    """
    strict: bool = False
    """Tolerate no deviation of cars from the standards: for conformance runs."""

    @property
    def setup(self) -> Timeout:
        return Timeout("V2G_SECC_CommunicationSetup_Timeout", self.setup_seconds, "[V2G2-723]")

    @property
    def pwm_delay(self) -> Timeout:
        return Timeout("delay before the duty", self.pwm_delay_seconds, "Q-01; T_conn_max_comm allows 8 s")

    @property
    def talks(self) -> bool:
        """False: this outlet charges by pilot and nominal duty alone."""
        return self.ac is None or self.hlc is not Hlc.OFF

    @property
    def falls_back(self) -> bool:
        """Whether a car without digital communication may charge. False without a modem: there the
        link always exists.
        """
        return self.ac is not None and self.hlc is Hlc.PREFERRED and self.modem

    @property
    def keeps_contract(self) -> bool:
        """Whether a contract pays for charging by pilot after a session without charging."""
        return self.falls_back and self.contract_by_pilot


TOKEN_ANSWER: Final = Timeout("authorization of a card", 30.0, "our choice: longer than a driver waits at the reader")
OSCILLATOR_RETAIN: Final = Timeout(
    "oscillator retained", 1.5, "ISO 15118-2 section 8.7.4, DIN 70121: the car hears why, and ramps down"
)
LAST_ANSWER: Final = Timeout(
    "connection closed before the network is left", 5.0, "[V2G2-539]; the station closes after 3 s"
)
STATE_F: Final = Timeout(
    "state F after an emergency",
    5.0,
    "IEC 61851-1: the car opens its switch within 3 s; the socket is unlocked after 5",
)
SWITCHING_ON: Final = Timeout(
    "power on without a session", 6.0, "IEC 61851-1: 3 s each for the car's switch and for the contactor"
)
LOCKING: Final = Timeout("plug locked", 2.0, "our choice: a lock has a second to confirm")
CONTACTOR_OPEN: Final = Timeout(
    "contactor open before unlocking", 5.0, "our choice: longer than any way to switch off takes"
)
REFUSED_SHOWN: Final = Timeout("refusal shown", 3.0, "our choice")
CARD_WAITS: Final = Timeout("card waits for a cable", TOKEN_SECONDS, "our choice; the setting ``token_seconds``")
PILOT_SETTLES: Final = Timeout(
    "pilot settling after F", 0.5, "our choice: longer than any board debounces a state that it drives"
)

# ISO 15118-3, Table 3 and Table A.1
C_SEQU_RETRY: Final = 2
"""Repeats of the offer of 5 % where no car was matched."""
T_STEP_EF: Final = Timeout("T_step_EF", 4.0, "ISO 15118-3 Table 3")
T_STEP_X1: Final = Timeout("T_step_X1", 3.0, "IEC 61851-1 Table A.6")
X1_AFTER_EF: Final = Timeout("X1 between E/F and nominal duty", 0.5, "[V2G3-M06-08]: 0.5 to 1 s")
LINK_GONE_OPEN: Final = Timeout("contactor open before F", 1.5, "our choice: F would open it under load")

# Charging by pilot and duty
DIGITAL_COMMUNICATION: Final = 0.05
"""Duty of the pilot that asks for digital communication. IEC 61851-1 Annex A."""
SIMPLIFIED_AMPERES: Final = 10.0
"""For a car that goes from A to C directly and has no switch. IEC 61851-1 Annex A sequence 1.2."""
DUTY_CHANGE: Final = Timeout(
    "between two changes of the duty", 5.0, "IEC 61851-1 sequence 6: the car needs 5 s to follow"
)
OPEN_UNDER_LOAD: Final = Timeout("X1 before opening under load", 6.0, "IEC 61851-1 sequence 10.1")
WAKE_UP: Final = Timeout("before waking a sleeping car", 30.0, "our choice")

# Wake-up by the car
BCB_PULSE: Final = (0.2, 0.4)
"""TP_EV_vald_state_duration: how long the car shows C in one toggle."""
BCB_PULSE_TOLERATED: Final = (0.15, 0.45)
BCB_WHOLE: Final = Timeout("TT_EVSE_vald_toggle", 3.5, "ISO 15118-3 Table A.1")
BCB_TOGGLES: Final = 3
"""C_EV_vald_nb_toggles: one to three."""
