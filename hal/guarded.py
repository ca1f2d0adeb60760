"""The power ports of a board behind the interlock, with one queue of commands for each.

Commands that make power flow need the consent of the moment; commands that end it do not. Every
command goes through the queue of its port, from the power path and from the guard. Methods start at
once and return futures; :class:`hal.port_queue.PortQueue` decides how they end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from hal.errors import HalRejected
from hal.interlock import Consent, Purpose, Reason
from hal.port_queue import Called, PortQueue
from hal.ports import AcPower, DcPower
from hal.readings import AcCapabilities, ContactorReading, ContactorState, DcCapabilities, DcPhase, DcPresent

P = TypeVar("P", bound=AcPower | DcPower)

FEEDBACK_SECONDS: Final = 0.1
"""Seconds by which the feedback of a contactor may lag behind the confirmed command to open."""


class Permit(Protocol):
    """The permission to use power."""

    @property
    def asked(self) -> Purpose:
        """What was asked for and granted."""
        ...

    @property
    def consent(self) -> Consent:
        """The decision for this moment."""
        ...


class _Guarded(Generic[P]):
    """A port with a contactor, which ``_contactor`` commands."""

    def __init__(self, port: P, permit: Permit, name: str) -> None:
        self._permit = permit
        self._port: P = port
        self._contactor = PortQueue(f"{name} contactor")

    @property
    def contactor(self) -> ContactorReading:
        return self._port.contactor

    def doubt(self, *, under_way: bool = True) -> None:
        """The confirmed state may have ended: the next safe command is sent anew
        (:meth:`PortQueue.doubt`).
        """
        self._contactor.doubt(under_way=under_way)

    def stays_closed(self, now: float) -> bool:
        """Whether the contactor is closed, and not only because feedback lags; a command that
        should have opened it then no longer holds. ``now``: monotonic seconds.
        """
        if self.contactor.state is not ContactorState.CLOSED:
            return False
        opened_at = self._contactor.held_since
        if opened_at is not None:
            if now - opened_at <= FEEDBACK_SECONDS:
                return False
            self.doubt()
        return True

    async def _close(
        self, purposes: tuple[Purpose, ...], close: Callable[[], Awaitable[None]], undo: Callable[[], Awaitable[None]]
    ) -> None:
        """Call ``close`` with the consent for one of these purposes, and ``undo`` if the consent
        has ended meanwhile.
        """
        consent = self._permit.consent
        if not consent:
            raise HalRejected(f"interlock: {consent}")
        if self._permit.asked not in purposes:
            raise HalRejected(f"interlock: permission is held for {self._permit.asked}, not for this")
        await close()
        if not self._permit.consent:
            await undo()
            raise HalRejected(f"interlock: {Reason.NOT_ASKED}")


class GuardedAcPower(_Guarded[AcPower]):
    """The AC port: one queue, because permission, phases and protection are settings of one
    contactor.
    """

    @property
    def capabilities(self) -> AcCapabilities:
        return self._port.capabilities

    def allow(self, on: bool, reason: str) -> Called:
        if not on:
            return self._contactor.call("open", lambda: self._port.allow(False, reason), safe=True, once=True)
        return self._contactor.call("allow", lambda: self._allow(reason))

    async def _allow(self, reason: str) -> None:
        port = self._port
        await self._close((Purpose.AC,), lambda: port.allow(True, reason), lambda: port.allow(False, "interlock"))

    def set_overcurrent(self, amperes: float) -> Called:
        return self._contactor.call("set overcurrent", lambda: self._port.set_overcurrent(amperes))

    def set_phases(self, phases: int) -> Called:
        return self._contactor.call("set phases", lambda: self._port.set_phases(phases))

    def test_residual_current(self) -> Called:
        return self._contactor.call("test residual current", self._port.test_residual_current)


class GuardedDcPower(_Guarded[DcPower]):
    """The DC port: supply and contactor have a queue each, because an opening does not wait for a
    supply.

    Voltage for the cable check has a permission of its own, without a car behind it.
    """

    def __init__(self, port: DcPower, permit: Permit, name: str) -> None:
        super().__init__(port, permit, name)
        self._supply = PortQueue(f"{name} supply")

    @property
    def capabilities(self) -> DcCapabilities:
        return self._port.capabilities

    @property
    def present(self) -> DcPresent:
        return self._port.present

    def doubt(self, *, under_way: bool = True) -> None:
        super().doubt(under_way=under_way)
        self._supply.doubt(under_way=under_way)

    def set_target(self, volts: float, amperes: float, phase: DcPhase) -> Called:
        return self._supply.call("set target", lambda: self._set_target(volts, amperes, phase), replaceable=True)

    async def _set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        purposes = (Purpose.CABLE_CHECK, Purpose.DC) if phase is DcPhase.CABLE_CHECK else (Purpose.DC,)
        await self._close(purposes, lambda: self._port.set_target(volts, amperes, phase), self._port.off)

    def off(self) -> Called:
        return self._supply.call("off", self._port.off, safe=True, once=True)

    def set_contactor(self, closed: bool) -> Called:
        if not closed:
            return self._contactor.call("open", lambda: self._port.set_contactor(False), safe=True, once=True)
        return self._contactor.call("close", self._close_contactor)

    async def _close_contactor(self) -> None:
        port = self._port
        await self._close(
            (Purpose.CABLE_CHECK, Purpose.DC), lambda: port.set_contactor(True), lambda: port.set_contactor(False)
        )
