"""Josev's SECC and ours under the same car, on the same veth pair, with the same PKI: one Plug & Charge session with DC after the other.

The network, the PKI and the other station come from the interoperability bench in ``tests/live``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
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
    """Why the comparison cannot be made here; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not (LIVE / "josev_interop.py").exists():
        return "tests/live is not here"
    return josev_missing()


def interop() -> ModuleType:
    """The interoperability bench, a script of its own."""
    name = "josev_interop"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, LIVE / "josev_interop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def car_of(pki: Path, directory: Path) -> Path:
    """What our car carries, out of the other's PKI: its root, its contract and the key of that."""
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
    """Two namespaces and the veth pair between them."""
    arguments = argparse.Namespace(ev_iface=None, evse_iface=None, mtu=0)
    with interop().Bench(arguments) as bench:
        yield bench


def start(bench: Any, which: str, directory: Path) -> Any:
    """``josev`` or ``ours`` in the station's namespace, listening; both as the interoperability bench starts them."""
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
