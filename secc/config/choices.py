"""What settings can be chosen from: enumerations, and the forms of names."""

from __future__ import annotations

import re
from enum import StrEnum

EVSE_ID = re.compile(r"[A-Z]{2}(\*?)[A-Z0-9]{3}\1E[A-Z0-9](?:[A-Z0-9*]{0,28}[A-Z0-9])?|ZZ00000")
QUIRK = re.compile(r"Q-(?:0[1-9]|[1-7][0-9]|80)")
INTERFACE = re.compile(r"[^\s/:]{1,15}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
HAL = re.compile(r"[a-z][a-z0-9_+-]*:.*")
METER = re.compile(r"[\x20-\x7e]{1,32}")

FIRST_DYNAMIC_PORT, LAST_PORT = 49152, 65535
PLAIN_PORT = 15118
"""The TCP port that some old tools connect to whatever was announced (Q-16), and the UDP port of SDP."""


class Tls(StrEnum):
    """Whether an outlet speaks TLS."""

    REQUIRED = "required"
    OFFERED = "offered"
    OFF = "off"


class Modem(StrEnum):
    """What matches cars to an outlet."""

    BOARD = "board"
    PACKET = "packet"
    NONE = "none"


class Clock(StrEnum):
    """What makes the calendar trustworthy."""

    NTP = "ntp"
    RTC = "rtc"


class TraceMode(StrEnum):
    """Which sessions leave a trace on the disk."""

    ON_FAILURE = "on-failure"
    ALWAYS = "always"
    OFF = "off"


class LogLevel(StrEnum):
    """How much the log says: milestones at ``info``, the dialogue at ``debug``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class UplinkKind(StrEnum):
    """Which backend decides who may charge."""

    STANDALONE = "standalone"
