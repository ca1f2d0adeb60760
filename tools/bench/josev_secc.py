"""Josev's SECC and ours on the same veth pair, with the same PKI and the same car.

Network, PKI and Josev's SECC come from the interoperability bench in ``tests/live``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from certs.certificates import Edition, parse_certificate

from .codec import CACHE, PYTHON, josev_missing
from .stations import ROOT

LIVE = ROOT / "tests" / "live"
SDP_PORT = 15118


def missing() -> str:
    """Returns why the comparison cannot be made here; empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not (LIVE / "josev_interop.py").exists():
        return "tests/live is not here"
    return josev_missing()


def interop() -> ModuleType:
    """Returns the interoperability bench, a script that finds its own modules."""
    sys.path.append(str(LIVE))
    return importlib.import_module("josev_interop")


def car_of(pki: Path, directory: Path) -> Path:
    """Write the directory of our car with root, contract and key of Josev's PKI."""
    certs, keys = pki / "iso15118_2" / "certs", pki / "iso15118_2" / "private_keys"
    directory.mkdir()
    (directory / "v2g_root.pem").write_bytes((certs / "v2gRootCACert.pem").read_bytes())
    chain = [(certs / name).read_bytes() for name in ("contractLeafCert.pem", "moSubCA2Cert.pem", "moSubCA1Cert.pem")]
    (directory / "contract_chain.pem").write_bytes(b"".join(chain))
    password = (keys / "contractLeafPassword.txt").read_bytes().strip() or None
    key = load_pem_private_key((keys / "contractLeaf.key").read_bytes(), password)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "contract.key").write_bytes(pem)
    leaf = parse_certificate((certs / "contractLeafCert.der").read_bytes(), Edition.ISO2, "leaf")
    (directory / "emaid.txt").write_text(leaf.common_names[0])
    return directory


@contextlib.contextmanager
def network() -> Iterator[Any]:
    """Make two namespaces and the veth pair between them, until the block ends."""
    with interop().Bench(argparse.Namespace(ev_iface=None, evse_iface=None, mtu=0)) as bench:
        yield bench


def start(bench: Any, which: str, directory: Path) -> Any:
    """Start ``josev`` or ``ours`` in the station's namespace, as the interoperability bench does. Returns when it
    listens.
    """
    live = interop()
    scenario = live.SCENARIOS["iso2-dc-pnc"]
    pki = CACHE / "pki"
    live.ensure_pki(pki, PYTHON)
    directory.mkdir()
    if which == "josev":
        command, extra = live.josev_secc(PYTHON, scenario, bench.evse_iface, pki)
    else:
        command, extra = live.foreign_secc(str(LIVE / "station"), scenario, bench.evse_iface, pki)
        extra["INTEROP_WORK"] = str(directory)
    return live.Secc(bench.evse(command), {**os.environ, **extra}, directory / "secc.log", directory, 30.0)
