"""Errors between the station and its hardware. A driver raises these four and no others."""

from __future__ import annotations


class HalError(Exception):
    """Base of every error that a driver raises. ``retryable`` says whether the same command may be
    given again.
    """

    retryable = False


class HalTimeout(HalError):
    """The device did not answer, or did not finish, within the time that the port promises."""

    retryable = True


class HalLost(HalError):
    """The connection to the device is lost. The device goes to its own safe state; open the board
    anew.
    """


class HalRejected(HalError):
    """The device or the interlock refuses: a latched fault, a pilot outside C and D, a value out of
    range.
    """


class HalUnsupported(HalError):
    """The hardware does not have this function, or the driver is not installed."""
