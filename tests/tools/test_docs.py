"""The documentation is true: generated pages are what the code makes, links lead somewhere, and the commands that pages show exist."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.cli import TOOLS, main
from secc.config import load
from tests.pages import PAGES
from tools import docs

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def test_every_generated_page_is_up_to_date() -> None:
    assert docs.stale() == [], "run: make docs"
    assert len(docs.PAGES) == 4
    assert docs.main(["--check"]) == 0


def test_a_stale_page_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "docs" / "trust.md"
    copy.parent.mkdir()
    shutil.copy(docs.TRUST, copy)
    monkeypatch.setattr(docs, "TRUST", copy)
    monkeypatch.setattr(docs, "DOCS", copy.parent)
    monkeypatch.setattr(docs, "PAGES", {copy: docs.trust_page})
    good = copy.read_text()
    copy.write_text(re.sub(r"\| `revoked` \|.*\n", "", good) + "\nAnd more.\n")
    assert docs.main(["--check"]) == 1
    assert "docs/trust.md is stale" in capsys.readouterr().out
    assert docs.main(["--no-diagrams"]) == 0
    assert copy.read_text() == good + "\nAnd more.\n", "the table is made anew, what stands around it is kept"


def test_diagrams_are_drawn_from_each_kind_of_session() -> None:
    for name in docs.DIAGRAMS:
        page = (ROOT / "docs" / "diagrams" / f"{name}.md").read_text()
        assert "sequenceDiagram" in page
        for step in (
            "supportedAppProtocolReq",
            "SessionSetupReq",
            "PowerDeliveryReq: ReadyToChargeState true" if name == "dc-din" else "PowerDeliveryReq: Start",
            "ended: completed.terminated",
        ):
            assert step in page
        assert ("CableCheckReq" in page) is name.startswith("dc")
        assert ("PaymentDetailsReq" in page) is ("plug" in name)


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in HEADING.findall(page.read_text())}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        yield from ((page, target) for target in LINK.findall(text) if "://" not in target)


def test_every_link_leads_somewhere() -> None:
    found = list(links())
    assert len(found) > 30
    dead = []
    for page, target in found:
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text() + (ROOT / "docs" / "decisions" / "README.md").read_text()
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs") and page.name != "README.md"]
    assert [page.name for page in pages if f"{page.name})" not in index] == []


def test_every_command_that_a_page_shows_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    shown = set()
    for page in PAGES:
        for code in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`|^    (.*)$", page.read_text(), re.DOTALL | re.MULTILINE):
            shown.update(re.findall(r"(?:^|[\s/])secc ([a-z][a-z-]*)", "\n".join(code)))
    assert {"run", "check", "doctor", "status", "explain", "control", "trust", "identity"} <= shown
    assert [
        name for name in sorted(shown) if name not in TOOLS and not re.search(rf"^    {name}\b", listed, re.M)
    ] == []


def test_every_make_target_that_a_page_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z]+)\b", page.read_text(), re.MULTILINE)}
    assert shown >= {"demo", "test", "check", "docs"}
    assert shown <= targets


def test_every_module_that_a_page_runs_exists() -> None:
    shown = {name for page in PAGES for name in re.findall(r"python -m (tools[.\w]*)", page.read_text())}
    places = {name: ROOT / name.replace(".", "/") for name in shown}
    assert [name for name, place in places.items() if not (place.with_suffix(".py").exists() or place.is_dir())] == []


@pytest.mark.parametrize("page", ["README.md", "docs/board.md", "docs/services.md"])
def test_a_configuration_that_a_page_shows_is_one(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "station.toml").write_text(block)
        assert load(tmp_path / "station.toml").outlets


def test_no_page_runs_a_python_that_debian_does_not_have() -> None:
    """There is no `python` on Debian, and the tools are `secc ...`; what is for the checkout alone runs in its environment."""
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"(?<!\.venv/bin/)\bpython -m", line), f"{page.name}: {line}"


UNTESTED = {"A-OCPP-01", "A-OCPP-02", "A-OCPP-03", "A-OCPP-04", "A-OCPP-06"}
"""Rows of the backend whose tests may have no mark."""


def test_every_attack_of_the_page_has_a_test() -> None:
    page = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    marked = set(re.findall(r'"(A-[A-Z0-9]+-[0-9]{2})"', tests))
    rows = set(re.findall(r"^\| (A-[A-Z0-9]+-[0-9]+) \|", page, re.MULTILINE))
    assert len(rows) > 80
    assert rows - marked - UNTESTED == set()


def test_the_page_of_attacks_explains_every_id_that_the_project_names() -> None:
    named = re.compile(r"\bA-(?:PHY|SLAC|NET|V2G|EXI|SES|PWR|TLS|PKI|PNC|OCPP|RES)-[0-9]{2}\b")
    rooms = ("secc", "frozen", "hal", "certs", "tools", "tests", "docs")
    files = [path for room in rooms for kind in ("*.py", "*.md") for path in (ROOT / room).rglob(kind)]
    used = {one for path in files for one in named.findall(path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^\| (A-[A-Z0-9]+-[0-9]+) \|", page, re.MULTILINE))
