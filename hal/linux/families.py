"""Known makes of modems: how to recognise them, to ask for their link, and to restart them. Other
modems work without this.
"""

from __future__ import annotations

import abc
import struct
from typing import Final

from hal.linux import mme
from hal.linux.mme import VENDOR, Frame
from hal.readings import ModemInfo


class Family(abc.ABC):
    """The messages of one maker. Requests are whole frames; readers return None for a frame that is
    not their answer.
    """

    name: str
    reset_is_confirmed: bool
    VERSION: int
    LINK: int
    RESET: int

    @abc.abstractmethod
    def request(self, source: bytes, mmtype: int) -> bytes:
        """The frame that asks for VERSION, LINK or RESET."""

    @abc.abstractmethod
    def version(self, frame: Frame) -> ModemInfo | None: ...

    @abc.abstractmethod
    def link(self, frame: Frame) -> bool | None: ...

    @abc.abstractmethod
    def reset(self, frame: Frame) -> bool | None:
        """Whether the modem agrees to restart."""


class Qualcomm(Family):
    """QCA7000, QCA7005, QCA7420 and related: OUI 00:B0:52, then the body."""

    name = "Qualcomm"
    reset_is_confirmed = True
    _OUI: Final = bytes.fromhex("00b052")
    VERSION, RESET, LINK = 0xA000, 0xA01C, 0xA0B8
    _DEVICES: Final = {0x20: "QCA7420", 0x22: "QCA7000"}

    def request(self, source: bytes, mmtype: int) -> bytes:
        return mme.build(source, mmtype, self._OUI, mmv=VENDOR)

    def _body(self, frame: Frame, request: int, octets: int) -> bytes | None:
        """Returns the body of the confirmation to this request; None for another frame, or one that
        is too short.
        """
        ours = frame.mmtype == request + 1 and frame.mmv == VENDOR and frame.body[:3] == self._OUI
        return frame.body[3:] if ours and len(frame.body) >= 3 + octets else None

    def version(self, frame: Frame) -> ModemInfo | None:
        body = self._body(frame, self.VERSION, 3)
        if body is None or body[0] != 0:
            return None
        text = mme.printable(body[3 : 3 + body[2]])
        # MAC-QCA7005-1.1.0.730-04-20140815-CS: the firmware's name tells the chip more precisely
        # than the device number.
        parts = text.split("-")
        chip = (
            parts[1] if len(parts) > 2 and parts[1].startswith(("QCA", "AR", "INT")) else self._DEVICES.get(body[1], "")
        )
        return ModemInfo(f"{self.name} {chip}".strip(), text)

    def link(self, frame: Frame) -> bool | None:
        body = self._body(frame, self.LINK, 2)
        return None if body is None or body[0] != 0 else body[1] == 1

    def reset(self, frame: Frame) -> bool | None:
        body = self._body(frame, self.RESET, 1)
        return None if body is None else body[0] == 0


class Lumissil(Family):
    """CG5317: OUI 00:16:E8, a header of 19 octets, body. Public sources disagree on the MMV of its
    messages, so both are tried.
    """

    name = "Lumissil"
    reset_is_confirmed = False
    _OUI: Final = bytes.fromhex("0016e8")
    _HEAD: Final = struct.Struct("<HLB12s")
    VERSION, RESET, LINK = 0xAC6C, 0xAC70, 0xAC9C

    def __init__(self, mmv: int) -> None:
        self._mmv = mmv

    def request(self, source: bytes, mmtype: int) -> bytes:
        body = b"\0" if mmtype == self.RESET else b""
        return mme.build(source, mmtype, self._OUI + self._HEAD.pack(0, 0, 0, bytes(12)) + body, mmv=self._mmv)

    def _body(self, frame: Frame, request: int, octets: int) -> bytes | None:
        start = 3 + self._HEAD.size
        ours = frame.mmtype == request + 1 and frame.body[:3] == self._OUI
        return frame.body[start:] if ours and len(frame.body) >= start + octets else None

    def version(self, frame: Frame) -> ModemInfo | None:
        body = self._body(frame, self.VERSION, 8)
        if body is None:
            return None
        return ModemInfo(f"{self.name} CG5317", ".".join(str(number) for number in struct.unpack_from("<4H", body)))

    def link(self, frame: Frame) -> bool | None:
        body = self._body(frame, self.LINK, 1)
        return None if body is None else body[0] == 1

    def reset(self, frame: Frame) -> bool | None:
        """The modem restarts without an answer."""
        return None


FAMILIES: Final[tuple[Family, ...]] = (Qualcomm(), Lumissil(mme.VENDOR), Lumissil(mme.HOMEPLUG))
