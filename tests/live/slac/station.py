"""A station that does nothing but match: the matching session and the Linux modem driver, a pilot by command, one line of JSON an effect.

Reads ``pilot A``, ``plug in``, ``terminate``, ``error``, ``pause``, ``resume`` from standard input; ends with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from hal.errors import HalError
from hal.linux.modem import open_modem
from secc.conversation import Effect
from secc.link.slac.dlink import (
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatched,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    ResumeLink,
)
from secc.link.slac.effects import Announce
from secc.link.slac.settings import SlacSettings
from tools.slac_bench import Station

ORDERS = {
    "terminate": ReleaseLink(DLink.TERMINATE),
    "error": ReleaseLink(DLink.ERROR),
    "pause": ReleaseLink(DLink.PAUSE),
    "resume": ResumeLink(),
}
BEGAN = time.monotonic()


def say(what: str, **more: object) -> None:
    print(json.dumps({"t": round(time.monotonic() - BEGAN, 3), "what": what, **more}), flush=True)


def tell(effect: Effect) -> None:
    match effect:
        case ReportModem(ready, text):
            say("modem", ready=ready, text=text)
        case ReportMatchingBegun():
            say("begun")
        case ReportMatchingFailed(cause, armed):
            say("failed", cause=cause, armed=armed)
        case ReportMatched(ev_mac, run_id):
            say("matched", ev=ev_mac.hex(), run=run_id.hex())
        case IndicateDlinkReady(established, cause, watched):
            say("link", up=established, cause=cause, watched=watched)
        case Announce(notice, code):
            say("notice", notice=notice.value, code=code)
        case _:
            say("effect", of=type(effect).__name__)


async def main(interface: str, *, strict: bool) -> int:
    try:
        modem = await open_modem(interface)
    except HalError as error:
        say("error", kind=type(error).__name__, text=str(error))
        return 2
    station = Station(modem, SlacSettings(modem.mac, strict=strict), tell)
    serving = asyncio.ensure_future(station.run())
    try:
        info = await modem.info()
        say("modem is", vendor=info.vendor, version=info.version)
    except HalError as error:
        say("error", kind=type(error).__name__, text=str(error))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        match line:
            case ["plug", "in"]:
                station.plug_in()
            case ["pilot", state]:
                station.pilot(state)
            case [word] if word in ORDERS:
                station.say(ORDERS[word])
            case _:
                say("what?", line=line)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await modem.close()
    say("end")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], strict="--strict" in sys.argv)))
