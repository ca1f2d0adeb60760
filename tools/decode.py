"""EXI octets as messages and back, and captures as sessions.

``secc decode --schema iso15118-2`` reads hex, a line each, and prints the message tree as JSON, a
line each; ``--encode`` does the reverse. A set with ``fragment:`` before its name is its fragment
grammar, used for signatures. A line that fails becomes ``{"error": "..."}``. A pcap or pcapng file
is printed as a session: SDP, SupportedAppProtocol, messages; with ``--keylog`` also TLS.
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
from secc.protocols import protocols
from secc.session import supported_app_protocol as sap

_SPOKEN: Final = tuple(loaded.schema for protocol in protocols() if (loaded := protocol.load()).schema is not None)

DOCUMENTS: Final[dict[str, Schema[Any]]] = {schema.name: schema for schema in (sap.SCHEMA, *_SPOKEN)}
FRAGMENTS: Final[dict[str, Schema[Any]]] = {
    f"fragment:{schema.name}": schema for schema in (sap.SCHEMA, *_SPOKEN, xmldsig.SCHEMA)
}
CAPTURE_MAGIC: Final = {"a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a"}
"""First four octets of a pcap (micro- and nanoseconds, either byte order) or a pcapng file."""


def decode_line(name: str, line: str) -> dict[str, Any]:
    """Returns the message tree of a stream in hex. Raises SeccError or ValueError."""
    octets = bytes.fromhex(line)
    if name in FRAGMENTS:
        element_name, element = FRAGMENTS[name].fragment_decode(octets)
        return to_tree(element, element_name)
    return to_tree(DOCUMENTS[name].decode(octets))


def encode_line(name: str, line: str) -> str:
    """Returns the stream in hex of a message tree in JSON. Raises SeccError or ValueError."""
    tree = json.loads(line)
    if name in FRAGMENTS:
        element_name, element = fragment_from_tree(FRAGMENTS[name], tree)
        return FRAGMENTS[name].fragment(element, element_name).hex()
    return DOCUMENTS[name].encode(from_tree(DOCUMENTS[name], tree)).hex()


def lines_of(name: str, lines: Iterable[str], *, encode: bool) -> Iterator[str]:
    """Yields the output for each line of the input that is not blank."""
    for line in lines:
        if not line.strip():
            continue
        try:
            yield encode_line(name, line) if encode else json.dumps(decode_line(name, line))
        except (SeccError, ValueError, RecursionError) as error:
            yield json.dumps({"error": str(error) or type(error).__name__})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 if all input was read, whatever it held, otherwise 2."""
    options = _parser().parse_args(argv)
    try:
        for line in _output(options):
            print(line, flush=True)
    except BrokenPipeError:
        # The reader has closed the pipe; flushing the rest must not fail at exit.
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
        _parser().error("give --schema, the set that the streams follow; only captures do not need it")
    if options.file == "-":
        yield from lines_of(options.schema, _replacing(sys.stdin), encode=options.encode)
        return
    with Path(options.file).open(encoding="utf-8", errors="replace") as file:
        yield from lines_of(options.schema, file, encode=options.encode)


def _replacing(stream: IO[str]) -> IO[str]:
    """Replace octets that are not text by characters that are not hex: an error of their line, not
    of the run.
    """
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return stream


def _is_capture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).hex() in CAPTURE_MAGIC


if __name__ == "__main__":
    sys.exit(main())
