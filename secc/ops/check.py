"""``secc check``: reads what a station needs, with the rights of the user that runs it. Each
finding is a line: OK, or what to do.

It writes nothing and opens no hardware; it binds ports for a moment.

``secc doctor`` begins with the same checks and then tries things out (``secc/ops/doctor.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from certs.certificates import Certificate, Edition
from certs.errors import ChainRejected, StoreError
from certs.guard import exposed
from certs.keystore import Keystore, SeccChain
from certs.revocation import StapleCache
from certs.revoked import read_revoked
from certs.truststore import InstalledRoot, Roots, Truststore
from hal.open import recognise
from secc.config import Clock, Config, OutletSettings, Tls, dangers
from secc.config.boards import settled_outlet
from secc.config.spoken import named, obstacle, spoken
from secc.conversation import Wall
from secc.errors import ConfigError, UplinkError
from secc.link.tls.errors import TlsUnavailable
from secc.link.tls.libssl import system_libssl
from secc.ops.calendar import FILE, Calendar, day
from secc.ops.finding import Finding, bad, note
from secc.ops.network import InterfaceUnusable, locate
from secc.ops.places import is_running, nearest, places, ports
from secc.ops.unit import Unit
from secc.protocols import protocols
from secc.session.durable import ROOM, Disk, StorageFailed
from secc.session.offer import Payment, Transfer
from secc.session.protocol import V2gProtocol
from secc.session.schedules import ChargingNeeds
from secc.uplink.lists import read_list
from secc.uplink.provisioning import problem_of
from secc.uplink.schedules import read_schedules

EXPIRY_WARNING = timedelta(days=30)
"""The station's certificate has to be renewed a month before it expires. [OCPP 2.0.1 A03]"""


def report(config: Config, unit: Unit | None = None) -> list[Finding]:
    """Returns all findings about this configuration on this machine, with the rights of this
    process.
    """
    found, running = [*findings(config), *places(config, unit)], is_running(config)
    if running:
        found.append(note("station", f"one is running on {config.control_socket}: `secc status` shows its state"))
    return [*found, *ports(config, running=running)]


def findings(config: Config) -> Iterator[Finding]:
    """Yields what a running station can check, too: all but its ports and directories. Each step is
    short.
    """
    calendar = Calendar(config.station.state_directory / FILE, vouched=config.trust.clock is Clock.RTC)
    yield _configuration(config)
    yield _state(config)
    for line in dangers(config):
        yield note("danger", line)
    yield from _calendar(config, calendar, calendar.wall())
    roots = None if config.trust.truststore is None else Truststore(config.trust.truststore).read()
    if roots is not None:
        yield from _roots(roots, config.trust.truststore, calendar.judging())
    yield from _lists(config, () if roots is None else roots.installed)
    yield from _schedules(config)
    yield from _provisioning(config)
    yield from _revoked(config)
    yield from _books(config)
    yield from _chains(config, calendar.judging())
    yield from _outlets(config)


def _configuration(config: Config) -> Finding:
    if config.source is None:
        return Finding("configuration", "from flags alone")
    problem = exposed(config.source)
    return bad("configuration", problem) if problem else Finding("configuration", str(config.source))


def _state(config: Config) -> Finding:
    """A user who can replace ``last-seen`` can have expired certificates accepted. (A-PKI-05,
    A-PKI-07)
    """
    directory = config.station.state_directory
    problem = exposed(directory / FILE)
    return bad("state", problem) if problem else Finding("state", f"kept in {directory}")


def _calendar(config: Config, calendar: Calendar, wall: Wall) -> Iterator[Finding]:
    contracts = any(Payment.CONTRACT in outlet.payments for outlet in config.outlets)
    if wall.trusted:
        yield Finding("clock", f"{day(wall.time)}, confirmed")
    elif contracts and not config.trust.danger_floor_suffices:
        yield bad("clock", f"not confirmed, so Contract is not offered: {calendar.problem()}")
    else:
        yield note("clock", f"not confirmed: {calendar.problem()}")
    if contracts and (remark := calendar.remark()):
        yield note("clock", remark)


def _roots(roots: Roots, store: Path | None, wall: Wall) -> Iterator[Finding]:
    for problem in roots.problems:
        yield bad("truststore", str(problem))
    if not roots.installed and not roots.problems:
        yield bad("truststore", f"{store} holds no root, so no contract can be accepted")
    for root in roots.installed:
        name = f"{root.edition.value} {root.role.value} root {', '.join(root.certificate.common_names)!r}"
        yield _ends("truststore", name, root.certificate, wall, "install its successor")


def _ends(subject: str, name: str, certificate: Certificate, wall: Wall, remedy: str) -> Finding:
    ends = f"{certificate.not_after:%Y-%m-%d}"
    if certificate.not_after < wall.time:
        return bad(subject, f"{name} has ended on {ends}: {remedy}")
    if certificate.not_after - wall.time < EXPIRY_WARNING:
        return note(subject, f"{name} ends on {ends}: {remedy} now")
    return Finding(subject, f"{name}, valid until {ends}")


def _lists(config: Config, roots: tuple[InstalledRoot, ...]) -> Iterator[Finding]:
    """Whether the lists can be read, and the roots that they name are installed."""
    installed = {root.certificate.fingerprint for root in roots}
    for subject, path in (("allowlist", config.uplink.allowlist), ("denylist", config.uplink.denylist)):
        if path is None:
            continue
        try:
            listed = read_list(path, Disk())
        except ConfigError as error:
            yield bad(subject, str(error))
            continue
        yield Finding(subject, f"{path}, {len(listed)} entries")
        for root in sorted(listed.roots - installed):
            yield bad(subject, f"{path} names the root {root}, which is not installed: those entries match no contract")


def _schedules(config: Config) -> Iterator[Finding]:
    """Whether the file of schedules can be read, for cars with a contract and for others. Their
    power and tariffs are judged when a car negotiates.
    """
    path = config.uplink.schedules
    if path is None:
        return
    try:
        found = [
            read_schedules(path, ChargingNeeds(Transfer.DC, contract=contract), Disk()) for contract in (True, False)
        ]
    except UplinkError as error:
        yield bad("schedules", f"{error}: cars are offered one, up to the limit of the outlet")
        return
    signed, others = ([one for one in each.schedules if one.tariff is not None] for each in found)
    counts = f"{len(found[0].schedules)} schedules, {len(signed)} signed tariffs, {len(others)} for external payment"
    yield Finding("schedules", f"{path}, {counts}")


def _provisioning(config: Config) -> Iterator[Finding]:
    """Whether a provisioning service can be asked; it may start later than the station."""
    path = config.uplink.provisioning
    if path is not None:
        problem = problem_of(path)
        offered = Finding("provisioning", f"a service listens at {path}")
        yield note("provisioning", f"{problem}: cars are not offered it") if problem else offered


def _books(config: Config) -> Iterator[Finding]:
    """Whether charging sessions and metering receipts can be stored. (A-RES-06)"""
    uplink = config.uplink
    for subject, path, lost in (
        ("sessions", uplink.sessions, "sessions are lost with the next power cut"),
        ("receipts", uplink.receipts, "no receipts are demanded"),
    ):
        if path is not None:
            yield _book(subject, path, lost if uplink.danger_charge_unbooked else "no car charges")


def _book(subject: str, path: Path, then: str) -> Finding:
    """Whether the station can append to this file; it makes missing directories when it starts."""
    there = nearest(path.absolute().parent)
    try:
        Disk().require_room(path if path.absolute().parent == there else there / path.name, ROOM)
    except StorageFailed as error:
        return bad(subject, f"cannot be stored, so {then}: {error}")
    problem = exposed(path)
    return bad(subject, problem) if problem else Finding(subject, f"stored in {path}")


def _revoked(config: Config) -> Iterator[Finding]:
    if config.trust.revoked is None:
        return
    try:
        revoked = read_revoked(config.trust.revoked)
    except StoreError as error:
        yield bad("revoked", str(error))
    else:
        yield Finding("revoked", f"{config.trust.revoked}, {len(revoked)} certificates")


def _chains(config: Config, wall: Wall) -> Iterator[Finding]:
    if config.trust.keystore is None:
        if any(outlet.tls is not Tls.OFF for outlet in config.outlets):
            yield bad("keystore", "is not set, but an outlet has TLS")
        return
    try:
        system_libssl()
    except TlsUnavailable as error:
        yield bad("libssl", str(error))
        return
    contents = Keystore(config.trust.keystore).read(*Edition)
    for problem in contents.problems:
        yield bad("keystore", str(problem))
    if not contents.chains and not contents.problems:
        yield bad("keystore", f"{config.trust.keystore} holds no chain that can be used")
    cache, whole = config.trust.staples, config.trust.danger_status_request_v2
    for chain in contents.chains:
        yield _chain(chain, wall)
        if cache is not None:
            # In TLS 1.3, for the other edition, nothing is changed in libssl.
            yield _staple(chain, StapleCache(cache), wall, whole=whole and chain.edition is Edition.ISO2)
    if whole:
        yield _status_v2()


def _chain(chain: SeccChain, wall: Wall) -> Finding:
    name = f"{chain.path.name} ({', '.join(chain.leaf.common_names)})"
    try:
        chain.verify(wall.time, clock_trusted=wall.trusted, floor_suffices=True)
    except ChainRejected as error:
        return bad("keystore", f"{name}: {error}")
    return _ends("keystore", name, chain.leaf, wall, "renew it")


def _staple(chain: SeccChain, cache: StapleCache, wall: Wall, *, whole: bool) -> Finding:
    """``whole``: a car may be sent the responses for the sub-CAs, too."""
    staples = cache.staples(chain.path_to_root, wall.time, chain.edition, clock_trusted=wall.trusted)
    if missing := chain.unanswered(staples if whole else staples[:1]):
        return note("OCSP", f"{chain.path.name}: no fresh response for {missing}; cars that ask may close [V2G2-873]")
    return Finding("OCSP", f"{chain.path.name}: a fresh response is stapled{' for each certificate' if whole else ''}")


def _status_v2() -> Finding:
    from secc.link.tls.self_test import status_request_v2  # not needed without the setting

    for problem in (serving := status_request_v2()).problems:
        return note("OCSP", problem)
    return Finding("OCSP", f"status_request_v2 is served: {serving.proof}")


def _outlets(config: Config) -> Iterator[Finding]:
    for number, outlet in enumerate(config.outlets):
        subject = f"outlet {outlet.name}"
        try:
            place = locate(outlet.interface)
        except InterfaceUnusable as error:
            yield bad(subject, str(error))
        else:
            yield Finding(subject, f"{outlet.interface} has {place.address}")
        yield from _hardware(config, number, subject)


def _hardware(config: Config, number: int, subject: str) -> Iterator[Finding]:
    try:
        outlet = settled_outlet(config, number)
    except ConfigError as error:
        yield bad(subject, f"{error.path.partition('.')[2]}: {error.hint}")
        return
    unsafe = recognise(outlet.hal).unsafe
    text = f"hardware {outlet.hal}, {', '.join(outlet.transfers)}"
    yield Finding(subject, text + (f" (for tests only: {', '.join(unsafe)})" if unsafe else ""), remark=bool(unsafe))
    yield from _protocols(subject, outlet, named(config.outlets[number], protocols()))


def _protocols(subject: str, outlet: OutletSettings, wanted: Iterable[V2gProtocol]) -> Iterator[Finding]:
    """What the outlet speaks, and which cars it cannot serve because of its other settings."""
    heard = spoken(outlet, protocols())
    names = " and ".join(protocol.name for protocol in heard)
    yield Finding(subject, f"speaks {names}") if names else bad(subject, "speaks no protocol")
    for protocol in wanted:
        if protocol not in heard and protocol.transfers.intersection(outlet.transfers):
            why = obstacle(outlet, protocol)
            yield note(subject, f"cars that speak {protocol.name} only cannot charge: it {why}")
