"""The ports of a charging station's hardware: a driver author implements these, and the stack calls
nothing else.

One :class:`Board` is one outlet. Parts that it lacks are None. The rules for all ports:

* Commands are idempotent and bounded: they return when the hardware has confirmed, at most one second later unless the method
  says otherwise, and raise only :class:`hal.HalError`. The last command wins.
* Readings are plain properties: the last value with its time, never a bus access. The driver pushes each change
  through :meth:`Board.events` within 50 ms of the edge (a BCB toggle has pulses of 150 ms), and loses none.
* Policy (retries, who may charge, sequences) is the stack's. :mod:`hal.interlock` decides what must be off, and so
  does the board on its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from hal.events import BoardEvent
from hal.readings import (
    AcCapabilities,
    BoardCapabilities,
    CableReading,
    ContactorReading,
    DcCapabilities,
    DcPhase,
    DcPresent,
    Fault,
    ImdReading,
    Indication,
    InputsReading,
    LockReading,
    MeterReading,
    ModemInfo,
    PilotCapabilities,
    PilotReading,
    Token,
)


class ControlPilot(Protocol):
    """The control pilot of IEC 61851-1: the station drives it, and reads the car's state from it."""

    @property
    def capabilities(self) -> PilotCapabilities: ...
    @property
    def reading(self) -> PilotReading: ...

    async def set_duty(self, duty: float) -> None:
        """Oscillate with this duty, 0.03 to 0.97; 0.05 means digital communication. Raises
        HalRejected outside.
        """

    async def set_x1(self) -> None:
        """Steady +12 V: no oscillator, the car shall not draw current."""

    async def set_f(self) -> None:
        """Steady -12 V: outlet not available."""

    async def set_e(self) -> None:
        """0 V. Raises HalUnsupported if the capabilities say so."""


class ProximityPilot(Protocol):
    """The resistor of the cable in a socket outlet."""

    @property
    def reading(self) -> CableReading: ...


class PlcModem(Protocol):
    """A HomePlug Green PHY modem on an Ethernet interface of its own."""

    @property
    def interface(self) -> str: ...
    @property
    def mac(self) -> bytes:
        """The address of the host's interface, to which cars send."""

    @property
    def address(self) -> bytes | None:
        """The modem's own address. Only attenuation profiles from there count. None until the modem
        has answered.
        """

    async def send(self, frame: bytes) -> None:
        """Send one Ethernet frame (EtherType 0x88E1), padded to 60 octets."""

    def frames(self) -> AsyncIterator[tuple[float, bytes]]:
        """Frames received, with the monotonic time of their arrival."""

    async def set_key(self, nid: bytes, nmk: bytes) -> None:
        """Join the network of this 7 octet NID and 16 octet NMK. The key appears in no log."""

    async def link_up(self) -> bool | None:
        """Whether a second modem is in the station's network; None if the modem cannot tell."""

    async def info(self) -> ModemInfo: ...
    async def reset(self) -> None: ...


class AcPower(Protocol):
    """The AC contactor and its protection."""

    @property
    def capabilities(self) -> AcCapabilities: ...
    @property
    def contactor(self) -> ContactorReading: ...

    async def allow(self, on: bool, reason: str) -> None:
        """Permit power, or withdraw the permission; ``reason`` is for the log.

        With the permission the board closes in pilot state C or D only; it opens by itself within
        100 ms when the state is left, which also ends the permission. Returns when the board has
        accepted the command; ``contactor`` shows the result. Raises HalRejected while a fault is
        latched or the emergency stop is pressed.
        """

    async def set_overcurrent(self, amperes: float) -> None:
        """Trip above this current."""

    async def set_phases(self, phases: int) -> None:
        """Raises HalUnsupported if the capabilities say so, HalRejected while the contactor is
        closed.
        """

    async def test_residual_current(self) -> bool:
        """Run the self-test of the residual-current device, with the contactor open; at most 5 s."""


class DcPower(Protocol):
    """The DC supply and the contactors between it and the cable."""

    @property
    def capabilities(self) -> DcCapabilities: ...
    @property
    def contactor(self) -> ContactorReading: ...
    @property
    def present(self) -> DcPresent:
        """Measured at the pins of the plug. At most 100 ms old while the output is on."""

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        """Switch the supply on and ramp towards this target. Raises HalRejected outside the
        capabilities, and for negative amperes without a bidirectional supply.
        """

    async def off(self) -> None:
        """Switch the supply off; returns when the current is safe to break (below 1 A). Raises
        HalTimeout after two seconds.
        """

    async def set_contactor(self, closed: bool) -> None:
        """Close or open. Returns when the board has accepted the command; ``contactor`` shows the
        result. The board closes in pilot state C or D only (otherwise HalRejected), opens by itself
        within 100 ms when the state is left, and stays open until the next command to close.
        """


class Imd(Protocol):
    """The insulation monitor of a DC outlet."""

    @property
    def reading(self) -> ImdReading | None:
        """The last measurement since :meth:`start`; None before the first."""

    async def self_test(self) -> bool:
        """Run the monitor's own test, at most 30 s (then HalTimeout). May be cancelled."""

    async def start(self) -> None:
        """Measure continuously; every measurement is also pushed as InsulationMeasured."""

    async def stop(self) -> None: ...


class Meter(Protocol):
    """The energy meter of the outlet."""

    @property
    def identity(self) -> str:
        """The meter's serial number, at most 32 characters (MeterID)."""

    @property
    def reading(self) -> MeterReading | None:
        """The last reading; drivers refresh it at least every second while power is allowed.

        A meter that signs its readings has its record in each: the record of one reading must not
        stand in another.
        """

    async def read(self) -> MeterReading:
        """Returns a fresh reading, signed if the meter signs. Raises HalTimeout or HalLost if the
        meter does not answer.
        """

    async def begin(self, transaction: str) -> bytes | None:
        """Start a metered transaction. Returns the signed start record of a legal meter, None for
        others. ``transaction`` never repeats; one that a power cut left open is ended first.
        """

    async def end(self, transaction: str) -> bytes | None:
        """End it: no energy flows. Returns the signed end record, None for a meter without one."""


class Lock(Protocol):
    """The lock of the plug in a socket outlet."""

    @property
    def reading(self) -> LockReading: ...

    async def lock(self) -> None:
        """Returns when the feedback confirms. Raises HalTimeout if it does not."""

    async def unlock(self) -> None:
        """As :meth:`lock`. Raises HalRejected unless the contactor is open."""


class TokenReader(Protocol):
    """A card reader. Tokens come as TokenPresented; ``latest`` is the last one."""

    @property
    def latest(self) -> Token | None: ...


class Indicator(Protocol):
    """Lamps or a display for the driver of the car."""

    async def show(self, indication: Indication, text: str = "") -> None: ...


class Inputs(Protocol):
    """Emergency stop and door as levels; the stop button comes as StopPressed."""

    @property
    def reading(self) -> InputsReading: ...


class Faults(Protocol):
    """The active faults of the board."""

    @property
    def active(self) -> tuple[Fault, ...]: ...

    async def clear(self, code: str) -> None:
        """End a latched fault. Raises HalRejected while its cause lasts; no error if the fault is
        not active.
        """


@runtime_checkable
class Board(Protocol):
    """All hardware of one outlet."""

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> BoardCapabilities: ...
    @property
    def healthy(self) -> bool:
        """Whether the board answers and its readings are current. False before :meth:`open` and
        after BoardLost.
        """

    @property
    def pilot(self) -> ControlPilot: ...
    @property
    def inputs(self) -> Inputs: ...
    @property
    def faults(self) -> Faults: ...
    @property
    def indicator(self) -> Indicator: ...
    @property
    def proximity(self) -> ProximityPilot | None: ...
    @property
    def plc(self) -> PlcModem | None: ...
    @property
    def ac(self) -> AcPower | None: ...
    @property
    def dc(self) -> DcPower | None: ...
    @property
    def imd(self) -> Imd | None: ...
    @property
    def meter(self) -> Meter | None: ...
    @property
    def lock(self) -> Lock | None: ...
    @property
    def tokens(self) -> TokenReader | None: ...

    async def open(self) -> None:
        """Connect, and start in the safe state: pilot x1, contactors open, supply off. At most 5 s."""

    async def close(self) -> None:
        """Go to the safe state and release the hardware. Never raises; a second call does nothing."""

    def beat(self) -> None:
        """Heartbeat of the station to the board. Called at 5 Hz or more. Never blocks; raises
        HalLost when the board is lost.
        """

    def events(self) -> AsyncIterator[BoardEvent]:
        """Returns the board's events from this call on, in order. Each caller has its own stream,
        which ends when the board is closed. A reader that is too slow gets HalLost in place of the
        events that it missed.
        """
