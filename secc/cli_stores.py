"""The command line of ``secc trust`` and ``secc identity``; ``secc/ops/stores.py`` does the work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from secc.errors import ConfigError


def trust_flags(trust: argparse.ArgumentParser) -> None:
    """Add the arguments of ``secc trust``; it finds the store by --store, or by the configuration."""
    _store_flags(trust)
    acts = trust.add_subparsers(dest="act", required=True, metavar="ACT")
    acts.add_parser("list", help="list every root")
    add = acts.add_parser("add", help="install a root")
    remove = acts.add_parser("remove", help="remove a root")
    for parser in (add, remove):
        parser.add_argument("role", choices=("v2g", "mo", "oem"), help="what the root is trusted for")
    add.add_argument("file", type=Path, help="PEM or DER")
    remove.add_argument("fingerprint", help="SHA-256, as listed")


def identity_flags(identity: argparse.ArgumentParser) -> None:
    """Add the arguments of ``secc identity``; it finds the store in the same way."""
    _store_flags(identity)
    identity.add_argument("--ocsp-cache", type=Path, help="directory of OCSP responses (default: ocsp in the store)")
    acts = identity.add_subparsers(dest="act", required=True, metavar="ACT")
    acts.add_parser("list", help="list every chain")
    install = acts.add_parser("install", help="install a chain with its key")
    install.add_argument("chain", type=Path, help="PEM: leaf, then sub-CAs")
    install.add_argument("root", type=Path, help="PEM: the V2G root above them")
    install.add_argument("key", type=Path, help="PEM: the leaf's private key")
    install.add_argument("--password", type=Path, help="file with the key's password")
    ask = acts.add_parser("requests", help="write an OCSP request for each certificate, and name its responder")
    ask.add_argument("directory", type=Path, help="where the requests are written")
    staple = acts.add_parser("staple", help="store a valid OCSP response about a certificate of this station")
    staple.add_argument("file", type=Path, help="the responder's answer, DER")


def _store_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="the station's configuration, which names the store")
    parser.add_argument("--store", type=Path, help="the store's directory")
    # The store of the one edition that the station uses.
    parser.set_defaults(edition="iso2")


def trust(options: argparse.Namespace) -> int:
    """Run ``secc trust``. Returns the exit code."""
    from secc.ops import stores

    store, edition = _store(options, "truststore"), options.edition
    acts = {
        "list": lambda: stores.roots(store),
        "add": lambda: stores.add_root(store, edition, options.role, options.file),
        "remove": lambda: stores.remove_root(store, edition, options.role, options.fingerprint),
    }
    return _act(acts[options.act])


def identity(options: argparse.Namespace) -> int:
    """Run ``secc identity``. Returns the exit code."""
    from secc.ops import stores

    given, store = options, _store(options, "keystore")
    acts = {
        "list": lambda: stores.chains(store),
        "install": lambda: stores.install_chain(
            store, given.edition, given.chain, given.root, given.key, given.password
        ),
        "requests": lambda: stores.requests(store, given.directory),
        "staple": lambda: stores.staple(store, given.ocsp_cache or _ocsp_cache(given, store), given.file),
    }
    return _act(acts[options.act])


def _act(act: Callable[[], str]) -> int:
    from certs.errors import StoreError
    from secc.ops.stores import StoreRefused

    try:
        print(act())
    except StoreError as error:
        raise StoreRefused(str(error)) from error
    return 0


def _store(options: argparse.Namespace, name: str) -> Path:
    if options.store is not None:
        return Path(options.store)
    if options.config is None:
        raise ConfigError("--store", f"give the {name}, or a configuration that has it (--config)")
    from secc.config import load

    store: Path | None = getattr(load(options.config).trust, name)
    if store is None:
        raise ConfigError(f"trust.{name}", "is not set", options.config)
    return store


def _ocsp_cache(options: argparse.Namespace, store: Path) -> Path:
    if options.config is not None:
        from secc.config import load

        return load(options.config).trust.staples or store / "ocsp"
    return store / "ocsp"
