"""Times and counts of SLAC, by the names of ISO 15118-3 (Table 3, Table A.1). Our own choices are
marked.
"""

from __future__ import annotations

from typing import Final

from secc.conversation import Timeout

_TABLE: Final = "ISO 15118-3 Table A.1"

TT_EVSE_SLAC_INIT: Final = Timeout("TT_EVSE_SLAC_init", 50.0, _TABLE)
"""From pilot B with 5 % duty until the first CM_SLAC_PARM.REQ; the standard allows 20 to 50 s."""
SLAC_INIT_RANGE: Final = (20.0, 50.0)
SLAC_INIT_TOLERATED: Final = (10.0, 50.0)
"""For stations that should fail sooner. (Q-04)"""
TT_MATCH_RESPONSE: Final = Timeout("TT_match_response", 0.2, _TABLE)
"""After this time a message without an answer is repeated."""
TT_MATCH_SEQUENCE: Final = Timeout("TT_match_sequence", 0.4, _TABLE)
"""From CM_SLAC_PARM.CNF to the first CM_START_ATTEN_CHAR.IND; from CM_VALIDATE.CNF to the second
step.
"""
TT_EVSE_MATCH_MNBC: Final = Timeout("TT_EVSE_match_MNBC", 0.6, _TABLE)
"""From the first CM_START_ATTEN_CHAR.IND until the end of the sounds."""
TT_EVSE_MATCH_SESSION: Final = Timeout("TT_EVSE_match_session", 10.0, _TABLE)
"""From the end of the sounds to CM_VALIDATE.REQ or CM_SLAC_MATCH.REQ."""
TT_EVSE_VALD_TOGGLE: Final = Timeout("TT_EVSE_vald_toggle", 3.5, _TABLE)
"""The longest sequence of toggles that a car may announce."""
TT_MATCH_JOIN: Final = Timeout("TT_match_join", 12.0, _TABLE)
"""From CM_SLAC_MATCH.CNF until the link is up."""
MATCH_JOIN_TOLERATED: Final = Timeout("TT_match_join", 20.0, "Q-10: the car's modem restarts slowly with the new key")
TP_LINK_READY_NOTIFICATION: Final = Timeout("TP_link_ready_notification", 0.2, "ISO 15118-3 Table 3")
"""D-LINK_READY is indicated 0.2 to 1 s after the link was seen."""
TT_AMP_MAP_EXCHANGE: Final = Timeout("TT_amp_map_exchange", 0.2, _TABLE)
T_CONN_RESUME: Final = Timeout("T_conn_resume", 6.0, "ISO 15118-3 Table 3")
"""From the wake-up until the link is up again."""

C_EV_MATCH_RETRY: Final = 2
"""Repeats of a message that was not answered: three transmissions in all."""
C_EV_MATCH_MNBC: Final = 10
"""Sounds that the station asks for."""
C_EVSE_MATCH_PARALLEL: Final = 5
"""Runs at a time."""
C_EV_VALD_NB_TOGGLES: Final = (1, 3)
TP_EV_VALD_STATE_DURATION: Final = (0.2, 0.4)
"""Length of C in one toggle of a car."""
VALD_STATE_TOLERATED: Final = (0.15, 0.45)
TIME_OUT: Final = 6
"""TT_EVSE_match_MNBC in CM_SLAC_PARM.CNF, in 100 ms."""
RESP_TYPE: Final = 1
"""The answer goes to the station of the car's host."""
CARRIERS: Final = 917
"""Carriers in an amplitude map of Green PHY."""

KEY_CONFIRMATION: Final = Timeout(
    "CM_SET_KEY confirmation", 1.5, "our choice: the modem has a second, and its driver may try twice"
)
KEY_RETRY: Final = Timeout(
    "CM_SET_KEY repetition", 1.0, "our choice: a modem that restarts is off the line for some seconds"
)
LINK_ANSWER: Final = Timeout("link status answer", 1.5, "our choice")
LINK_POLL_JOINING: Final = Timeout("link status poll", 0.1, "our choice: until the link is up")
LINK_POLL: Final = Timeout("link status poll", 1.0, "our choice: once it is up")
LINK_DOUBTS: Final = 3
"""After this many polls in a row without a link it is lost: our choice, 0.3 s, as TP_match_leave
leaves one second.
"""
HELD: Final = Timeout(
    "held CM_SLAC_PARM.REQ", 0.6, "Q-01; our choice: three times TT_match_response, after which a car starts again"
)

INVITATIONS: Final = 4096
"""Most cars that asked and have not begun: TT_match_sequence at 10 000 requests a second. Our
choice.
"""
ANSWERS_PER_SECOND: Final = 500.0
"""Most CM_SLAC_PARM.REQ that are answered, first ones and repeats counted apart. Our choice,
against flooding.
"""
ANSWER_BURST: Final = 50.0
QUIET: Final = 10.0
"""Seconds before a notice is repeated. Our choice."""
REMEMBERED: Final = 64
"""Number of matched runs that are recognised when a device replays them. Our choice."""
