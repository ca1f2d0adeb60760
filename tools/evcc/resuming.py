"""From a pause to the next session of the car: who wakes whom, and what a car may then do wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from .behaviour import Behaviour
from .hands import Hands
from .trust import Trust
from .vocabulary import SetPilot
from .wallet import Wallet

STEP_SECONDS: Final = 0.05
TOGGLE_SECONDS: Final = 0.3
"""Of C in a B-C-B toggle: 200 to 400 ms. ISO 15118-3"""
AWAKE_SECONDS: Final = 5.0
"""A car without a pilot gives the station so long to wake up."""


@dataclass(frozen=True, slots=True)
class Return:
    """How the car comes back after a pause."""

    behaviour: Behaviour
    trust: Trust | None
    wallet: Wallet | None
    other_wallet: Wallet | None = None
    """The contract of the flaw ``other-contract``."""


Wrong = Callable[[Return], Return]
RESUME_FLAWS: Final[dict[str, Wrong]] = {}
"""Flaws of a car that comes back after a pause, by name; the docstring says what is wrong."""


def _flaw(wrong: Wrong) -> Wrong:
    RESUME_FLAWS[wrong.__name__.replace("_", "-")] = wrong
    return wrong


@_flaw
def other_evccid(back: Return) -> Return:
    """The car has another EVCCID than before the pause."""
    other = bytes((back.behaviour.evcc_id[0], *(byte ^ 1 for byte in back.behaviour.evcc_id[1:])))
    return replace(back, behaviour=replace(back.behaviour, evcc_id=other))


@_flaw
def other_session_id(back: Return) -> Return:
    """The car brings another SessionID than that of the paused session."""
    remembered = back.behaviour.remembered
    assert remembered is not None
    other = replace(remembered, session_id=bytes(byte ^ 1 for byte in remembered.session_id))
    return replace(back, behaviour=replace(back.behaviour, remembered=other))


@_flaw
def no_session_id(back: Return) -> Return:
    """The car has forgotten the paused session."""
    return replace(back, behaviour=replace(back.behaviour, remembered=None))


@_flaw
def plain(back: Return) -> Return:
    """The car that paused on TLS comes on plain TCP."""
    return replace(back, trust=None)


@_flaw
def other_contract(back: Return) -> Return:
    """The car presents another contract than before the pause."""
    return replace(back, wallet=back.other_wallet)


async def asleep(hands: Hands, seconds: float | None) -> None:
    """Sleep until the station wakes the car by 5 % on the pilot, or for the car's own time: then the
    car wakes the station. None: only the station wakes.
    """
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    # The station switches the oscillator off first.
    slept = False
    while (duty := await hands.duty()) is not None and not (slept and _digital(duty)):
        slept = slept or not _digital(duty)
        if end is not None and asyncio.get_running_loop().time() >= end:
            await _toggle(hands)
            end = None
        await asyncio.sleep(STEP_SECONDS)
    if duty is None and seconds is not None:
        await asyncio.sleep(seconds)
        await _toggle(hands)
        await asyncio.sleep(AWAKE_SECONDS)


def _digital(duty: float) -> bool:
    return 0.03 <= duty <= 0.07


async def _toggle(hands: Hands) -> None:
    """B-C-B: the car wants the station to come back. ISO 15118-3"""
    await hands.perform(SetPilot("C"))
    await asyncio.sleep(TOGGLE_SECONDS)
    await hands.perform(SetPilot("B"))
