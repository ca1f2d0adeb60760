"""The times and counts of a plug-in."""

from __future__ import annotations

from dataclasses import dataclass

from secc.conversation import Timeout
from secc.session.identification import TOKEN_SECONDS


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """How this outlet treats whoever plugs in."""

    free: bool = False
    """True: nobody has to be identified."""
    token_seconds: float = TOKEN_SECONDS
    setup_seconds: float = 20.0
    """V2G_SECC_CommunicationSetup: from the link to SessionSetupReq. Between 18 and 20 s by the standard. [V2G2-723]"""
    oscillator_off_seconds: float = 3.0
    """X1 between two attempts: what a car needs to notice, and to open its switch. IEC 61851-1 T_step_X1."""
    longest_pause_seconds: float = 60.0
    """The pause doubles with every session in a row in which nothing was charged, up to this. (A-SES-10)"""
    sessions: int = 100
    """V2G sessions in one plug-in; then it is over until the cable is out. (A-SES-10)"""
    connections: int = 20
    """Connections without a session in one setup window; then it is closed. (A-SES-10)"""

    @property
    def setup(self) -> Timeout:
        return Timeout("V2G_SECC_CommunicationSetup_Timeout", self.setup_seconds, "[V2G2-723]")


TOKEN_ANSWER = Timeout("authorization of a card", 30.0, "our choice: a driver does not stand there longer")
OSCILLATOR_RETAIN = Timeout(
    "oscillator retained", 1.5, "ISO 15118-2 section 8.7.4, DIN 70121: the car hears why, and ramps down"
)
STATE_F = Timeout(
    "state F after an emergency",
    5.0,
    "IEC 61851-1: the car opens its switch within 3 s; the socket is unlocked after 5",
)
CONTACTOR_OPEN = Timeout("contactor open before unlocking", 5.0, "our choice: longer than any way to switch off takes")
REFUSED_SHOWN = Timeout("refusal shown", 3.0, "our choice")
REST = Timeout("plug-in at rest", 3600.0, "our choice: nothing to watch")
DIGITAL_COMMUNICATION = 0.05
"""Duty of the pilot that asks for digital communication. IEC 61851-1 Annex A."""
