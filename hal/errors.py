"""What can go wrong between the station and its hardware: four named ways, and nothing else leaves a driver."""

from __future__ import annotations


class HalError(Exception):
    """Base of every error that a driver raises. ``retryable`` says whether the same command may be given again."""

    retryable = False


class HalTimeout(HalError):
    """The device did not answer, or did not get there, in the time that the port promises."""

    retryable = True


class HalLost(HalError):
    """The way to the device is gone. It is in its own safe state; the board has to be opened anew."""


class HalRejected(HalError):
    """The device or the interlock says no: a latched fault, a pilot outside C and D, a value out of range."""


class HalUnsupported(HalError):
    """This hardware has no such function, or no driver of that name is installed."""
