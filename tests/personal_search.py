"""Looks for a car's contract in octets, texts and living objects, in every form in which it might be kept."""

from __future__ import annotations

import base64
import bisect
import gc
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs.contract import Contract
from certs.emaid import EMAID
from tools.evcc.wallet import Wallet

WINDOW = 30
STRIDE = 15
"""Of a certificate every piece of so many octets counts: a part of it is as bad as the whole."""


SHORTEST = 6
"""Octets of the shortest needle, the EVCCID as it is on the wire."""
CONTRACT = 14
"""Characters of an EMAID without separators and check digit."""
STEP = 10_000
"""Objects that are asked at once what they refer to."""
_NO_SIGNS = bytes(set(range(256)) - set(b"0123456789abcdefghijklmnopqrstuvwxyz"))
_TEXTS = frozenset((bytes, bytearray, str))
_OURS = (Contract, EMAID)


class Needles:
    """What belongs to one car: its certificates, its EMAID, its EVCCID. The EMAID has to be one that no other test knows."""

    def __init__(self, wallet: Wallet, evcc_id: bytes, public: Path) -> None:
        """``public`` is a directory of PEM files that anybody may have: what stands in their certificates as well is no sign of the car."""
        self._needles: dict[bytes, str] = {}
        known = [one.public_bytes(Encoding.DER) for path in public.rglob("*.pem") for one in _certificates(path)]
        # The sub-CAs are the mobility operator's, not the driver's.
        leaf = wallet.chain[0]
        for at in range(0, len(leaf) - WINDOW, STRIDE):
            piece = leaf[at : at + WINDOW]
            if not any(piece in der for der in (*known, *wallet.chain[1:])):
                self._octets(piece, f"certificate at {at}")
        # Whatever stands between its characters, and whether the check digit is there.
        self._contracts = _contracts(wallet.emaid, leaf)
        for contract in self._contracts:
            self._octets(contract.upper(), "EMAID")
        plain = evcc_id.hex()
        for text in (plain, ":".join(_pairs(plain)), "-".join(_pairs(plain))):
            self._needles[text.encode()] = f"EVCCID as {text}"
        self._needles[evcc_id.lower()] = "EVCCID"
        # What other tests of this process keep is not the session's.
        self._before = [one for one in gc.get_objects() if type(one) in _OURS]
        self.own = {id(der) for der in wallet.chain} | {id(wallet.emaid), id(evcc_id)}
        # Labs are alike: the same names and dates stand in certificates that other tests keep. What is there already proves nothing.
        for needle in [needle for _, needle in self._hits([wallet])]:
            self._needles.pop(needle, None)

    def _octets(self, piece: bytes, name: str) -> None:
        self._needles[piece.lower()] = name
        self._needles[piece.hex().encode()] = f"{name}, hex"
        for shift in range(3):
            # Base64 looks different by where in a group of three the piece begins; its ends depend on the neighbours.
            whole = piece[shift : shift + 24]
            text = base64.b64encode(whole[: len(whole) // 3 * 3])
            self._needles[text.lower()] = f"{name}, base64"

    @property
    def searches_the_emaid(self) -> bool:
        """Whether nothing in this process held the EMAID before: a search that had to leave it out would prove nothing."""
        return all(contract in self._needles for contract in self._contracts)

    def found_in(self, octets: bytes) -> list[str]:
        """The names of what is in there."""
        # PEM folds its lines; case does not matter anywhere.
        text = octets.lower()
        folded = text.replace(b"\n", b"").replace(b"\\n", b"")
        found = {name for needle, name in self._needles.items() if needle in text or needle in folded}
        bare = text.translate(None, _NO_SIGNS)
        if any(contract in bare for contract in self._contracts):
            found.add("EMAID, in some spelling")
        return sorted(found)

    def found_below(self, directory: Path) -> dict[str, list[str]]:
        """By file; the names of files count as well."""
        found = {}
        for path in sorted(directory.rglob("*")):
            octets = path.read_bytes() if path.is_file() else b""
            if names := self.found_in(octets + b"\n" + str(path).encode()):
                found[str(path)] = names
        return found

    def found_alive(self, beside: Iterable[Any] = ()) -> list[str]:
        """In objects of this process, but for those that the test itself holds (``beside``, and this)."""
        found = [
            f"a {type(one).__name__}"
            for one in gc.get_objects()
            if type(one) in _OURS and not any(one is before for before in self._before)
        ]
        for holder, needle in self._hits(beside):
            found.append(f"{self._needles.get(needle, 'EMAID')} in a {type(holder).__name__}: {_describe(holder)}")
        return found

    def _hits(self, beside: Iterable[Any]) -> list[tuple[Any, bytes]]:
        """Every living object that holds a needle, with each needle that it holds; ``beside`` does not count."""
        gc.collect()
        mine = self.own | {id(needle) for needle in self._needles} | {id(self), id(self._needles), id(self.__dict__)}
        mine |= {id(contract) for contract in self._contracts} | {id(one) for one in beside}
        held = self._held(_texts_alive(mine))
        # Their holders are looked for only now: few texts hold a needle, and each text has many holders.
        suspects = [one for one, _ in held]
        named = {id(one): needles for one, needles in held}
        mine |= {id(suspects), id(held), *map(id, held)}
        return [
            (holder, needle)
            for holder in gc.get_referrers(*suspects)
            if id(holder) not in mine
            for one in gc.get_referents(holder)
            for needle in named.get(id(one), ())
        ]

    def _held(self, texts: dict[bytes, list[Any]]) -> list[tuple[Any, set[bytes]]]:
        """Every text that holds a needle, with its needles."""
        found: dict[bytes, set[bytes]] = {}
        for needles, bare in ((self._needles, False), (self._contracts, True)):
            sites = [text for text in texts if len(text) >= CONTRACT] if bare else list(texts)
            heap = _Heap([text.translate(None, _NO_SIGNS) for text in sites] if bare else sites)
            for needle in needles:
                for at in heap.places(needle):
                    found.setdefault(sites[at], set()).add(needle)
        return [(one, needles) for text, needles in found.items() for one in texts[text]]


def _texts_alive(mine: set[int]) -> dict[bytes, list[Any]]:
    """All texts and octets that any object refers to, but for those whose ids are ``mine``: by what they say, in small letters."""
    alive: dict[int, Any] = {}
    objects = gc.get_objects()
    for at in range(0, len(objects), STEP):
        referred = gc.get_referents(*objects[at : at + STEP])
        # Only what is exactly a text or octets: a look at anything else could run its code.
        found = list(itertools.compress(referred, map(_TEXTS.__contains__, map(type, referred))))
        alive.update(zip(map(id, found), found, strict=True))
    texts: dict[bytes, list[Any]] = {}
    for key, one in alive.items():
        if key not in mine and len(one) >= SHORTEST:
            texts.setdefault(_as_octets(one).lower(), []).append(one)
    return texts


def _contracts(emaid: str, leaf: bytes) -> list[bytes]:
    """What the car says, and what its certificate says: without separators and check digit."""
    named = x509.load_der_x509_certificate(leaf).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    texts = (emaid, *(str(name.value) for name in named))
    return sorted({EMAID.parse(text).contract.lower().encode() for text in texts})


class _Heap:
    """Texts that are searched as one: that is faster than each for itself."""

    def __init__(self, texts: list[bytes]) -> None:
        self._octets = b"\0\0\0\0\0\0\0".join(texts)
        self._begins = [0, *itertools.accumulate(len(text) + 7 for text in texts)]

    def places(self, needle: bytes) -> list[int]:
        """Which of the texts hold the needle."""
        found, at = [], self._octets.find(needle)
        while at >= 0:
            found.append(bisect.bisect_right(self._begins, at) - 1)
            at = self._octets.find(needle, self._begins[found[-1] + 1])
        return found


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        return []


def _as_octets(one: bytes | bytearray | str) -> bytes:
    return one.encode("utf-8", "surrogatepass") if isinstance(one, str) else bytes(one)


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(0, len(text), 2)]


def _describe(holder: Any) -> str:
    if isinstance(holder, dict):
        return f"keys {list(holder)[:8]}"
    return repr(type(holder))
