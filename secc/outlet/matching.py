"""From the cable to D-LINK_READY: offer 5 %, match a car, and what follows if none is matched (ISO
15118-3 section 7).
"""

from __future__ import annotations

from secc.conversation import ENDLESS, Conversation, Deadline
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    ReleaseLink,
)
from secc.outlet.effects import (
    CloseConnection,
    SetDuty,
    SetF,
    SetX1,
)
from secc.outlet.plug import Plug
from secc.outlet.settings import C_SEQU_RETRY, DIGITAL_COMMUNICATION, T_STEP_EF, T_STEP_X1, X1_AFTER_EF
from secc.outlet.state import Phase
from secc.session.effects import Remark

COMMUNICATE = SetDuty(DIGITAL_COMMUNICATION)


def link_ready(plug: Plug) -> Conversation[bool]:
    """Returns True with the link up, SDP open and 5 % on the pilot; False if this plug-in is over,
    held up, or has fallen back to charging without a link.
    """
    state, settings = plug.state, plug.settings
    if not settings.modem or state.link_up:
        # Without a modem the link is there with the cable, and after a pause it was kept.
        plug.drive(COMMUNICATE)
        return True
    state.phase = Phase.MATCHING
    tries = 0
    while not _hindered(plug):
        if not state.modem_ready:
            if settings.falls_back:
                state.fall_back("no modem answers")
                return False
            # F would hide that the car leaves, and the next car would charge on its card.
            plug.drive(SetX1())
            yield from plug.until(lambda: state.modem_ready or _hindered(plug), within=ENDLESS)
            continue
        yield from _offer(plug)
        if state.link_up:
            return True
        if state.match_failure is None and _known_first(plug):
            yield from _step_to_nominal(plug)
            state.fall_back("authorised before matching")
            return False
        tries += state.modem_ready
        if tries <= C_SEQU_RETRY and not _hindered(plug) and (settings.ac is not None or not settings.strict):
            if settings.ac is None:
                # The standard has this for AC only; cars need it at DC outlets, too.
                plug.party.do(Remark("Q-03", "matching is tried again by state F"))
            yield from step_ef(plug)
        elif tries > C_SEQU_RETRY and settings.falls_back:
            state.fall_back("no car was matched", "Q-13")
            return False
    return False


def step_ef(plug: Plug) -> Conversation[None]:
    """F for T_step_EF: a car that has given up, or sleeps, starts again."""
    plug.drive(SetF())
    yield from plug.rest(T_STEP_EF)


def _offer(plug: Plug) -> Conversation[None]:
    """Offer 5 % once: until the link is up, or this offer has failed."""
    state, party = plug.state, plug.party
    state.match_failure = state.link_lost = None
    if not state.matched:
        # A car that has charged and sleeps is not woken by F: it connects when it wants more.
        party.do(ArmMatching(limited=not state.ever_charged))
    yield from plug.until(lambda: _vain(plug) or state.matched, within=plug.settings.pwm_delay)
    yield from plug.until(lambda: _vain(plug), before=Deadline(state.leave_x1_at, T_STEP_X1))
    if not _vain(plug):
        plug.drive(COMMUNICATE)
    while not _vain(plug) and not state.link_up:
        yield from plug.until(lambda: _vain(plug) or state.matched, within=ENDLESS)
        if state.matched and not _vain(plug):
            # Cars send SDP requests once their modem is linked, possibly before the station's modem
            # reports it.
            plug.window(True)
            yield from plug.until(lambda: _vain(plug) or not state.matched or state.link_up, within=ENDLESS)
        if not state.link_up:
            plug.window(False)
            party.do(CloseConnection())


def _vain(plug: Plug) -> bool:
    """Whether this offer has failed."""
    state = plug.state
    failed = state.match_failure is not None and not state.match_failure.armed
    # A car that did not join asks again by itself, unless nothing is tolerated.
    lost = state.link_lost is not None and plug.settings.strict
    return _hindered(plug) or failed or lost or not state.modem_ready or _known_first(plug)


def _hindered(plug: Plug) -> bool:
    return plug.state.over is not None or plug.state.blocked(plug.party.levels)


def _known_first(plug: Plug) -> bool:
    """Whether a driver was identified from outside before a car asked: the car then gets its
    nominal duty. [V2G3-M06-05]
    """
    state = plug.state
    known = state.identification.external is not None
    return known and plug.settings.falls_back and not (state.matching or state.matched or state.ever_charged)


def _step_to_nominal(plug: Plug) -> Conversation[None]:
    """E or F before nominal duty, because a car that has seen 5 % waits for matching.
    [V2G3-M06-05], [V2G3-M06-08]
    """
    if plug.state.drive != COMMUNICATE:
        return
    plug.party.do(ReleaseLink(DLink.ERROR))
    yield from step_ef(plug)
    plug.drive(SetX1())
    yield from plug.rest(X1_AFTER_EF)
