"""The values of settings: enumerations, and patterns of names."""

from __future__ import annotations

import re
from enum import StrEnum

from secc.config.facets import OneOf, Pattern
from secc.protocols import keys

EVSE_ID = Pattern(
    re.compile(r"[A-Z]{2}(\*?)[A-Z0-9]{3}\1E[A-Z0-9](?:[A-Z0-9*]{0,28}[A-Z0-9])?|ZZ00000"),
    "an EVSEID such as DE*PNX*E00001: country, operator, E and up to 30 letters, digits and *",
)
QUIRK = Pattern(re.compile(r"Q-(?:0[1-9]|[1-7][0-9]|80)"), "the code of a field quirk, such as Q-16")
INTERFACE = Pattern(re.compile(r"[^\s/:]{1,15}"), "the name of a network interface")
LABEL = Pattern(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"), "1 to 32 letters, digits, . _ or -")
HAL = Pattern(re.compile(r"[a-z][a-z0-9_+-]*:.*"), "a driver, a colon and an address, such as sim: or linux:board.toml")
METER = Pattern(re.compile(r"[\x20-\x7e]{1,32}"), "1 to 32 ASCII characters")

PROTOCOL = OneOf(keys)

FIRST_DYNAMIC_PORT, LAST_PORT = 49152, 65535
PLAIN_PORT = 15118
"""The TCP port that some old tools connect to, whatever SDP names (Q-16), and the UDP port of SDP.
"""


class Tls(StrEnum):
    """Whether an outlet speaks TLS."""

    REQUIRED = "required"
    OFFERED = "offered"
    OFF = "off"


class Modem(StrEnum):
    """The modem that matches cars to an outlet."""

    BOARD = "board"
    PACKET = "packet"
    NONE = "none"


class Clock(StrEnum):
    """What confirms the calendar."""

    NTP = "ntp"
    RTC = "rtc"


class TraceMode(StrEnum):
    """Sessions that leave a trace."""

    ON_FAILURE = "on-failure"
    ALWAYS = "always"
    OFF = "off"


class LogLevel(StrEnum):
    """The least severe lines of the log: milestones are ``info``, messages ``debug``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class UplinkKind(StrEnum):
    """The backend that decides which drivers may charge."""

    STANDALONE = "standalone"
