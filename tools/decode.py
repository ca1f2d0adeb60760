"""EXI octets as messages and back, and captures as the sessions that they hold.

``secc decode --schema iso15118-2`` reads hex, a line each, and prints the message tree as JSON, a line each; ``--encode`` does the
reverse. A set with ``fragment:`` in front is its fragment grammar, what signatures are made over. A line that fails becomes
``{"error": "..."}``. A pcap or pcapng file is printed as a session: SDP, SupportedAppProtocol, messages; with ``--keylog``, what TLS hides too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from secc.errors import SeccError
from secc.exi import Schema, xmldsig
from secc.exi.tree import fragment_from_tree, from_tree, to_tree
from secc.iso2 import messages as iso2
from secc.session import supported_app_protocol as sap

DOCUMENTS: Final[dict[str, Schema[Any]]] = {"sap": sap.SCHEMA, "iso15118-2": iso2.SCHEMA}
FRAGMENTS: Final[dict[str, Schema[Any]]] = {
    "fragment:sap": sap.SCHEMA,
    "fragment:iso15118-2": iso2.SCHEMA,
    "fragment:xmldsig": xmldsig.SCHEMA,
}
CAPTURE_MAGIC: Final = {"a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a"}
"""First four octets of a pcap (micro- and nanoseconds, either byte order) or a pcapng file."""


def decode_line(name: str, line: str) -> dict[str, Any]:
    """The message tree of a stream in hex. Raises SeccError or ValueError."""
    octets = bytes.fromhex(line)
    if name in FRAGMENTS:
        element_name, element = FRAGMENTS[name].fragment_decode(octets)
        return to_tree(element, element_name)
    return to_tree(DOCUMENTS[name].decode(octets))


def encode_line(name: str, line: str) -> str:
    """The stream in hex of a message tree in JSON. Raises SeccError or ValueError."""
    tree = json.loads(line)
    if name in FRAGMENTS:
        element_name, element = fragment_from_tree(FRAGMENTS[name], tree)
        return FRAGMENTS[name].fragment(element, element_name).hex()
    return DOCUMENTS[name].encode(from_tree(DOCUMENTS[name], tree)).hex()


def lines_of(name: str, lines: Iterable[str], *, encode: bool) -> Iterator[str]:
    """What stands for each line of the input that is not blank."""
    for line in lines:
        if not line.strip():
            continue
        try:
            yield encode_line(name, line) if encode else json.dumps(decode_line(name, line))
        except (SeccError, ValueError, RecursionError) as error:
            yield json.dumps({"error": str(error) or type(error).__name__})


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 when everything was read, whatever it held, 2 when it could not be."""
    options = _parser().parse_args(argv)
    try:
        for line in _output(options):
            print(line, flush=True)
    except BrokenPipeError:
        # Whoever reads us has seen enough; what is left in the buffer must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (SeccError, OSError) as error:
        print(f"secc decode: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="secc decode", description="EXI octets as messages and back; captures as sessions."
    )
    parser.add_argument(
        "file", nargs="?", default="-", help="hex (or JSON) lines, or a pcap or pcapng file; - is standard input"
    )
    parser.add_argument("--schema", choices=[*DOCUMENTS, *FRAGMENTS], help="the set whose grammar the streams follow")
    parser.add_argument("--encode", action="store_true", help="read message trees, print streams")
    parser.add_argument("--keylog", type=Path, help="TLS key log (NSS format) of the captured session")
    return parser


def _output(options: argparse.Namespace) -> Iterator[str]:
    if options.file != "-" and _is_capture(Path(options.file)):
        from . import decode_capture

        yield from decode_capture.session_lines(Path(options.file), options.keylog, DOCUMENTS.get(options.schema or ""))
        return
    if options.schema is None:
        _parser().error("--schema says which set the streams follow; only captures do without")
    if options.file == "-":
        yield from lines_of(options.schema, _replacing(sys.stdin), encode=options.encode)
        return
    with Path(options.file).open(encoding="utf-8", errors="replace") as file:
        yield from lines_of(options.schema, file, encode=options.encode)


def _replacing(stream: IO[str]) -> IO[str]:
    """Octets that are no text become characters that are no hex: an error of their line, not of the run."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return stream


def _is_capture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).hex() in CAPTURE_MAGIC


if __name__ == "__main__":
    sys.exit(main())
