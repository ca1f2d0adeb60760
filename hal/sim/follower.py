"""Moves the pilot for a foreign EVCC that speaks the protocol, but has no car in the simulated
world.

Only tests may select it (the ``follower`` option of ``sim:``), because a station that moves the
pilot itself does not test its own checks of the pilot. The checks stay on: with ``refuse`` or
``stick`` they have to fail the session.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from hal.errors import HalRejected
from hal.sim.world import World

RELAY_MARGIN = 0.95
"""The battery of a foreign car is unknown: its voltage is set this far below the precharge target,
so that current flows.
"""

REPLUG_SECONDS = 0.5
WAKE_SECONDS, TOGGLE_SECONDS = 1.0, 0.3
"""After the session that it paused the car wakes the station by a B-C-B toggle of this length. ISO
15118-3
"""


class Following(enum.StrEnum):
    """FOLLOW: as a car would. HOLD: the same, but keeps its relay closed over a renegotiation.
    REFUSE: never leaves state B. STICK: goes to C and never back.
    """

    FOLLOW = "follow"
    HOLD = "hold"
    REFUSE = "refuse"
    STICK = "stick"


class Observer(Protocol):
    """The station passes a follower the name of each message as it arrives, and ``SessionEnded``
    after each session.
    """

    def observe(self, message: str, volts: float | None = None) -> None: ...


class Follower:
    """Takes the messages of the V2G dialogue by name and moves pilot and relay as a car does, after
    ``delay`` seconds.

    Names: ``CableCheckReq``, ``PreChargeReq`` (with its target ``volts``),
    ``PowerDeliveryReq(Start)``, ``PowerDeliveryReq(Renegotiate)``, ``PowerDeliveryReq(Stop)``,
    ``WeldingDetectionReq``, ``SessionStopReq(Terminate)``, ``SessionStopReq(Pause)``,
    ``SessionEnded``; others are ignored. With
    ``unplug`` the car is unplugged this many seconds after a session with at least one message, and
    plugged in again. Seconds are of the outside clock.
    """

    def __init__(self, world: World, mode: Following, delay: float = 0.1, unplug: float | None = None) -> None:
        self._world = world
        self._mode = mode
        self._delay = delay
        self._unplug = unplug
        self._heard = False
        """Whether the car has sent a message in this session."""
        self._paused = False

    def observe(self, message: str, volts: float | None = None) -> None:
        """This message has arrived at the station, or the session has ended."""
        dc = self._world.outlet.dc
        if message == "PreChargeReq" and dc and volts is not None:
            self._adopt(volts)
        elif message == "PowerDeliveryReq(Start)" or (message == "CableCheckReq" and dc):
            self._after(self._delay, self._relay_on if message != "CableCheckReq" and dc else self._s2_on)
        elif message == "PowerDeliveryReq(Renegotiate)" and dc:
            self._after(self._delay, self._relay_off)
        elif message.startswith(("PowerDeliveryReq(Stop)", "WeldingDetectionReq", "SessionStopReq", "SessionEnded")):
            self._after(self._delay, self._off)
        self._paused = message == "SessionStopReq(Pause)" or (self._paused and message == "SessionEnded")
        if message != "SessionEnded":
            self._heard = True
        elif self._heard:
            self._heard = False
            if self._paused:
                self._paused = False
                self._after(WAKE_SECONDS, self._s2_on)
                self._after(WAKE_SECONDS + TOGGLE_SECONDS, self._off)
            elif self._unplug is not None:
                self._after(self._delay + self._unplug, self._pull)

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        clock = self._world.clock

        def act() -> None:
            # The car may have been unplugged in between.
            if self._world.car.plugged:
                what()

        clock.call_at(clock.now() + seconds * clock.speed, act)

    def _adopt(self, volts: float) -> None:
        battery = self._world.car.battery
        if not self._world.car.relay_closed and 60.0 < volts <= 1500.0:
            span = battery.full_volts - battery.empty_volts
            part = (battery.open_volts - battery.empty_volts) / span
            battery.empty_volts = volts * RELAY_MARGIN - part * span
            battery.full_volts = battery.empty_volts + span

    def _s2_on(self) -> None:
        if self._mode is not Following.REFUSE:
            self._world.close_s2(True)

    def _relay_on(self) -> None:
        if self._mode is not Following.REFUSE and self._world.car.ready:
            self._world.close_relay(True)

    def _relay_off(self) -> None:
        if self._mode is Following.FOLLOW:
            self._world.close_relay(False)

    def _off(self) -> None:
        if self._mode in (Following.FOLLOW, Following.HOLD):
            self._world.close_relay(False)
            self._world.close_s2(False)

    def _pull(self) -> None:
        try:
            self._world.unplug()
        except HalRejected:
            self._after(REPLUG_SECONDS, self._pull)  # still locked: try again later, as a driver does
            return
        clock = self._world.clock
        clock.call_at(clock.now() + REPLUG_SECONDS * clock.speed, self._world.plug_in)
