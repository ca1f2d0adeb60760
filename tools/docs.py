"""``make docs``: writes the generated pages, and sequence diagrams from charging sessions of the
demo.

``python -m tools.docs`` writes; ``--check`` only lists stale pages, with exit code 1 if there is
one. Diagrams hold the times of their run, so they are written and never compared; ``--no-diagrams``
leaves them alone.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import config_doc, demo, diagram, quirks_doc, reasons_doc
from .pki.table import flaw_table

DOCS = Path(__file__).resolve().parents[1] / "docs"
TRUST = DOCS / "trust.md"
TABLE_HEAD = "| flaw | outcome |"

DIAGRAMS: Mapping[str, tuple[str, str]] = {
    "dc-plug-and-charge": ("DC by Plug & Charge", "--mode dc --payment pnc"),
    "ac-plug-and-charge": ("AC by Plug & Charge", "--mode ac --payment pnc"),
    "dc-din": ("DC in DIN SPEC 70121", "--mode dc --payment eim --no-tls --protocol din --protocol iso2"),
    "dc-external-payment": ("DC with external payment, without TLS", "--mode dc --payment eim --no-tls"),
}
"""The page of each diagram: its title, and the options of the demo that it is drawn from."""


def trust_page() -> str:
    """Returns docs/trust.md with a new table of flaws; the rest of it is written by hand."""
    page = TRUST.read_text(encoding="utf-8")
    before, head, rest = page.partition(TABLE_HEAD)
    if not head:
        raise ValueError(f"{TRUST} has no table of flaws")
    lines = rest.splitlines(keepends=True)
    after = next((number for number, line in enumerate(lines[1:], 1) if not line.startswith("|")), len(lines))
    return before + flaw_table() + "".join(lines[after:])


PAGES: Mapping[Path, Callable[[], str]] = {
    config_doc.TARGET: config_doc.render,
    reasons_doc.TARGET: reasons_doc.render,
    quirks_doc.TARGET: quirks_doc.render,
    TRUST: trust_page,
}


def stale() -> list[Path]:
    """Returns the stale pages."""
    return [path for path, render in PAGES.items() if not path.exists() or path.read_text(encoding="utf-8") != render()]


def draw(title: str, arguments: str) -> str:
    """Run a demo and return the page of its diagram. Raises RuntimeError if the demo fails."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as directory:
        with contextlib.redirect_stdout(said):
            code = demo.main([*arguments.split(), "--directory", directory])
        traces = sorted(Path(directory, "traces").glob("*.jsonl"))
        if code != 0 or not traces:
            raise RuntimeError(f"the demo for {title!r} failed:\n{said.getvalue()}")
        with contextlib.redirect_stdout(drawn := io.StringIO()):
            diagram.main(["--mermaid", str(traces[-1])])
    return (
        f"# {title}\n\n*Drawn by `make docs` from the trace of `make demo DEMO='{arguments}'`: a real session between the station "
        f"and the simulated car.*\n\n```mermaid\n{drawn.getvalue().rstrip()}\n```\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if written or up to date, 1 if a page is stale or a demo failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.docs", description="The generated pages of the documentation."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say which pages are stale")
    parser.add_argument("--no-diagrams", action="store_true", help="leave the diagrams as they are")
    options = parser.parse_args(argv)
    if options.check:
        found = stale()
        for path in found:
            print(f"{path.relative_to(DOCS.parent)} is stale: make docs")
        return 1 if found else 0
    for path, render in PAGES.items():
        _write(path, render())
    if not options.no_diagrams:
        for name, (title, arguments) in DIAGRAMS.items():
            try:
                page = draw(title, arguments)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            _write(DOCS / "diagrams" / f"{name}.md", page)
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"written {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    sys.exit(main())
