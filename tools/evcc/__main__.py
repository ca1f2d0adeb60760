"""``secc evcc``: one simulated car that charges at a station."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certs.errors import TrustError
from hal.errors import HalError
from secc.errors import SeccError
from secc.link import sdp
from secc.session.effects import Provisioning

from .behaviour import CHEAPEST, FIRST, Behaviour, Current, Payment
from .driver import Stopped, Trip, travel
from .hands import Hands, LineHands, SimHands
from .protocols import PROTOCOLS, all_flaws
from .resuming import RESUME_FLAWS
from .trust import Trust
from .wallet import Wallet

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OK, REFUSED, USAGE, UNREACHABLE, UNTRUSTED = 0, 1, 2, 3, 4

EPILOG = """exit code: 0 the session ended in order, 1 the station refused or the session broke, 2 a wrong option,
3 no station or no connection, 4 a station that cannot be trusted"""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="secc evcc", description="A simulated car.", epilog=EPILOG)
    parser.add_argument(
        "--iface", dest="interface", default="lo", help="where the station is; lo asks ::1 itself (default)"
    )
    parser.add_argument("--sdp-port", type=int, default=sdp.PORT, help="UDP port of the station's SDP")
    parser.add_argument(
        "--protocol",
        dest="protocols",
        action="append",
        choices=sorted(PROTOCOLS),
        help="a protocol of the car (default: iso2); may be repeated, the preferred one first",
    )
    parser.add_argument(
        "--mode", choices=[str(one) for one in Current], default="dc", help="kind of current (default: dc)"
    )
    parser.add_argument(
        "--payment",
        choices=[str(one) for one in Payment],
        default="pnc",
        help="Plug & Charge (default), or external payment",
    )
    parser.add_argument("--no-tls", action="store_true", help="plain TCP; only with --payment eim")
    parser.add_argument("--pki", type=Path, help="the car's directory of a lab PKI (DIR/car)")
    parser.add_argument(
        "--no-staple",
        dest="staple_needed",
        action="store_false",
        help="go on with a station that staples no OCSP response",
    )
    parser.add_argument("--sim-socket", type=Path, help="panel socket of the simulated world with this car")
    parser.add_argument("--slac", action="store_true", help="be matched through the modem on --iface (raw Ethernet)")
    parser.add_argument("--speed", type=float, default=1.0, help="battery seconds in one second (without --sim-socket)")
    parser.add_argument("--phases", type=int, choices=(1, 3), default=3, help="AC: phases of the on-board charger")
    parser.add_argument(
        "--soc",
        dest="target_state_of_charge",
        metavar="SOC",
        type=float,
        default=0.8,
        help="stop at this state of charge, 0..1",
    )
    parser.add_argument("--watt-hours", type=float, help="stop after this energy")
    parser.add_argument("--loops", type=int, help="stop after this many answers of the charging loop")
    parser.add_argument("--loop-seconds", type=float, default=0.1, help="pause in the charging loop")
    parser.add_argument("--stop-after", type=float, metavar="SECONDS", help="the driver stops the car")
    parser.add_argument("--stop-before", metavar="REQUEST", help="send SessionStopReq in place of this request")
    parser.add_argument("--renegotiate-after", type=int, metavar="N", help="renegotiate after N answers of the loop")
    parser.add_argument("--ignore-renegotiation", action="store_true", help="charge on when asked to renegotiate")
    parser.add_argument("--ignore-receipts", action="store_true", help="sign no metering receipt, and charge on")
    parser.add_argument(
        "--keep-relays", action="store_true", help="DC: keep the battery on the inlet while renegotiating"
    )
    parser.add_argument(
        "--schedule", default=FIRST, metavar="WHICH", help="the schedule to choose: first, cheapest, or its id"
    )
    parser.add_argument("--departure-seconds", type=float, metavar="SECONDS", help="when the car leaves")
    parser.add_argument("--most-entries", type=int, metavar="N", help="entries of a schedule that the car takes")
    parser.add_argument("--pauses", type=int, default=0, metavar="N", help="pause N sessions, and come back")
    parser.add_argument(
        "--sleep",
        dest="sleep_seconds",
        type=float,
        metavar="SECONDS",
        help="wake the station so long after a pause (default: wait to be woken)",
    )
    parser.add_argument(
        "--other-pki", type=Path, help="directory of the car whose contract --resume-flaw other-contract uses"
    )
    parser.add_argument("--resume-flaw", choices=sorted(RESUME_FLAWS), help="what the car does wrong after the pause")
    parser.add_argument(
        "--service",
        dest="services",
        type=service_of,
        action="append",
        default=[],
        metavar="ID[/SET]",
        help="select this service beside charging, with a parameter set; may be repeated",
    )
    parser.add_argument(
        "--provision",
        type=Provisioning,
        choices=list(Provisioning),
        help="ask the station's provisioning service for a contract, and charge with it",
    )
    parser.add_argument("--patience", type=float, default=1.0, help="factor on every timeout of the car")
    parser.add_argument("--kill-after", type=int, metavar="N", help="SIGKILL to itself after N answers of the loop")
    parser.add_argument("--stay", action="store_true", help="leave the plug in at the end")
    parser.add_argument(
        "--flaw", choices=sorted(all_flaws()), metavar="NAME", help="what the car does wrong (--list-flaws)"
    )
    parser.add_argument("--list-flaws", action="store_true", help="list the values of --flaw and exit")
    parser.add_argument("--keylog", type=Path, help="append the TLS secrets to this file, for packet analysers")
    parser.add_argument("--json", action="store_true", help="milestones as JSON, a line each")
    parsed = parser.parse_args(argv)
    parsed.protocols = tuple(dict.fromkeys(parsed.protocols or ("iso2",)))
    if parsed.flaw is not None and not any(parsed.flaw in PROTOCOLS[name].flaws for name in parsed.protocols):
        parser.error(f"--flaw {parsed.flaw} is of another protocol")
    if parsed.protocols == ("din",) and parsed.payment == Payment.CONTRACT and not parsed.list_flaws:
        parser.error("DIN SPEC 70121 has no Plug & Charge: --protocol din goes with --payment eim")
    if parsed.protocols == ("din",) and parsed.mode == Current.AC:
        parser.error("DIN SPEC 70121 has no AC: --protocol din goes with --mode dc")
    if parsed.no_tls and parsed.payment == Payment.CONTRACT:
        parser.error("Plug & Charge needs TLS: --no-tls goes with --payment eim")
    if parsed.schedule not in (FIRST, CHEAPEST) and not parsed.schedule.isdecimal():
        parser.error("--schedule is first, cheapest, or the id of a schedule")
    if parsed.pki is None and not parsed.no_tls and not parsed.list_flaws:
        parser.error("give --pki DIR, which has the roots that the car trusts, or --no-tls")
    return parsed


def service_of(text: str) -> tuple[int, int | None]:
    """Returns ``3/4`` as the service 3 with its parameter set 4. Raises ValueError."""
    number, slash, parameter_set = text.partition("/")
    return int(number), int(parameter_set) if slash else None


def _said(kind: type[DataclassInstance], options: argparse.Namespace) -> dict[str, Any]:
    """Returns the options that have the name of a field, for that field."""
    return {field.name: getattr(options, field.name) for field in fields(kind) if hasattr(options, field.name)}


def behaviour_of(options: argparse.Namespace) -> Behaviour:
    kinds = {"current": Current(options.mode), "payment": Payment(options.payment)}
    said = _said(Behaviour, options) | {"services": tuple(options.services)}
    return Behaviour(**(said | kinds))


def trip_of(options: argparse.Namespace) -> Trip:
    """Raises OSError, ValueError or TrustError for an unusable PKI."""
    trust = None if options.no_tls else Trust.load(options.pki)
    wallet = Wallet.load(options.pki) if options.payment == Payment.CONTRACT else None
    other = Wallet.load(options.other_pki) if options.other_pki is not None else None
    return Trip(**_said(Trip, options), trust=trust, wallet=wallet, other_wallet=other)


def hands_of(options: argparse.Namespace) -> Hands:
    if options.sim_socket is not None:
        return SimHands(options.sim_socket, options.phases)
    return LineHands(options.interface) if options.slac else Hands()


def say(as_json: bool, name: str, text: str, facts: Mapping[str, Any]) -> None:
    """Print one milestone, and flush: a reader may follow the output."""
    if as_json:
        print(json.dumps({"at": round(time.time(), 3), "name": name, "text": text, "facts": dict(facts)}), flush=True)
    else:
        print(f"car      {text}", flush=True)


async def drive(options: argparse.Namespace) -> int:
    """Drive one car. Returns the exit code."""

    def tell(name: str, text: str, facts: Mapping[str, Any]) -> None:
        say(options.json, name, text, facts)

    behaviour = behaviour_of(options)
    try:
        trip = trip_of(options)
    except (OSError, ValueError, TrustError) as error:
        tell("failed", f"the car's PKI cannot be used: {error}", {})
        return USAGE
    hands = hands_of(options)
    try:
        seconds = options.stop_after
        stopped = None if seconds is None else lambda: asyncio.sleep(seconds)
        reason = await travel(trip, behaviour, hands, tell, stopped=stopped)
        if not options.stay:
            await hands.unplug()
    except Stopped as stopped:
        tell("failed", str(stopped), {})
        return stopped.code
    except (OSError, SeccError, HalError) as error:
        tell("failed", str(error), {})
        return UNREACHABLE
    finally:
        hands.close()
    tell("ended", f"ended: {reason.code} {reason.detail}".rstrip(), {"code": reason.code, "detail": reason.detail})
    return OK if reason.well else REFUSED


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    if options.list_flaws:
        for name, flaw in sorted(all_flaws().items()):
            spoken = [each for each, protocol in PROTOCOLS.items() if name in protocol.flaws]
            of = "" if len(spoken) == len(PROTOCOLS) else f" (--protocol {', '.join(spoken)})"
            print(f"{name:26} {flaw.wrong}{of}")
        for name, wrong in sorted(RESUME_FLAWS.items()):
            print(f"{name:26} {wrong.__doc__} (--resume-flaw)")
        return OK
    try:
        return asyncio.run(drive(options))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
