"""The command line: every flag is explained, programs call themselves by their names, and what is wrong outside is a line, never a traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secc.cli import CLOSED_PIPE, TOOLS, _parser, main
from secc.version import version

COMMANDS = ("run", "check", "doctor", "status", "explain", "trust", "identity", "control")


class Seen(Exception):  # it carries a parser out of a program
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(name: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    if name == "secc":
        return _parser()

    def caught(parser: argparse.ArgumentParser, *rest: object) -> None:
        raise Seen(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", caught)
    with pytest.raises(Seen) as seen:
        main([name])
    return seen.value.parser


def all_actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, inner in action.choices.items():
                assert helps.get(name), f"{inner.prog}: not a word about it"
                yield from all_actions(inner)
        else:
            yield parser.prog, action


@pytest.mark.parametrize("name", ["secc", *TOOLS])
def test_every_flag_is_explained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = parser_of(name, monkeypatch)
    assert parser.prog == ("secc" if name == "secc" else f"secc {name}")
    silent = [
        f"{prog} {action.option_strings or action.dest}" for prog, action in all_actions(parser) if not action.help
    ]
    assert silent == []
    parser.format_help()


@pytest.mark.parametrize("name", [*COMMANDS, *TOOLS])
def test_help_is_there_by_either_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for arguments in (["help", name], [name, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith(f"usage: secc {name} ")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["help"])
    listed = capsys.readouterr().out
    assert all(
        f"\n    {name} " in listed or f"\n    {name}\n" in listed for name in (*COMMANDS, *TOOLS, "help", "version")
    )
    assert main(["version"]) == 0
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"secc {version()}\n" * 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["help"],
        ["version"],
        ["check", "--iface", "lo", "--eim", "free", "--state", "%"],
        ["pki", "flaws"],
        ["evcc", "--list-flaws"],
    ],
    ids=" ".join,
)
def test_a_pipe_that_closes_is_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    """``secc check | head -1``."""
    command = [sys.executable, "-m", "secc", *(argument.replace("%", str(tmp_path)) for argument in arguments)]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert said == ""
    assert child.wait(60) == CLOSED_PIPE


COMMANDS_WITH_FILES = [
    "explain %",
    "explain --state %",
    "replay %",
    "diagram %",
    "check %",
    "run %",
    "run --state %/x --iface nosuch",
    "run --iface nosuch --state STATE --allowlist %",
    "run --iface nosuch --state STATE --danger-keylog %/x",
    "status --socket %",
    "status --config %",
    "control --socket % stop",
    "trust --store % list",
    "trust --store % remove mo abc",
    "trust --store %/x list",
    "trust --store STATE/store add mo %",
    "trust --store %/x add v2g PKI/car/v2g_root.pem",
    "identity --store % list",
    "identity --store STATE/store install % % %",
    "identity --store % install PKI/car/contract_chain.pem PKI/car/v2g_root.pem PKI/car/contract.key",
    "identity --store PKI/station/keystore requests %/x",
    "identity --store PKI/station/keystore staple %",
    "evcc --pki %",
    "pki make %/x/y",
]
"""``%``: a file of the wrong kind; ``STATE`` is a directory that is there, ``PKI`` a lab PKI."""

WRONG = ("octets", "text", "json", "directory", "missing", "/dev/null")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every wrong kind, and a lab PKI."""
    place = tmp_path_factory.mktemp("wrong")
    (place / "octets").write_bytes(bytes(range(256)))
    (place / "text").write_text("hello\n")
    (place / "json").write_text('{"a": 1}\n')
    (place / "directory").mkdir()
    assert main(["pki", "make", str(place / "pki"), "--seed", "1"]) == 0
    return place


def cases() -> Iterator[tuple[str, str]]:
    for command in COMMANDS_WITH_FILES:
        for wrong in WRONG:
            can_be_made = wrong in ("directory", "missing") and "%/x" in command
            empty_store = wrong == "directory" and command.endswith("% list")
            if not can_be_made and not empty_store:
                yield command, wrong


@pytest.mark.parametrize(("command", "wrong"), list(cases()))
def test_what_is_wrong_outside_is_a_line(
    command: str, wrong: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of the wrong kind, one that is not there, a directory that cannot be made: no exception leaves the program."""
    (tmp_path / "state").mkdir()
    words = command.replace("PKI", str(place / "pki")).replace("STATE", str(tmp_path / "state"))
    code = main(words.replace("%", wrong if wrong.startswith("/") else str(place / wrong)).split())
    said = capsys.readouterr()
    assert code in (1, 2)
    assert len((said.err + said.out).splitlines()) <= 2, said
    assert said.err or said.out


@pytest.mark.parametrize("wrong", ["directory", "missing"])
def test_a_capture_that_is_none(wrong: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--schema", "sap", str(place / wrong)]) == 2
    assert capsys.readouterr().err.startswith("secc decode: ")


def test_a_lab_pki_is_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``make pki`` a second time, a week later: staples have ended, and everything in it belongs together."""
    command = ["pki", "make", str(tmp_path / "pki")]
    assert main(command) == 0
    root = (tmp_path / "pki" / "car" / "v2g_root.pem").read_bytes()
    assert main(command) == 2
    assert "--replace replaces the lab PKI in it" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0
    assert (tmp_path / "pki" / "car" / "v2g_root.pem").read_bytes() != root
    (tmp_path / "pki" / "thesis.txt").touch()
    assert main([*command, "--replace"]) == 2
    assert "thesis.txt, which is not part of a lab PKI" in capsys.readouterr().err
    assert (tmp_path / "pki" / "thesis.txt").exists()


def test_a_standard_stream_that_is_closed_is_no_file_of_ours() -> None:
    """Where descriptor 2 is closed, the next file or socket must not get the log, and closed output is not a traceback."""
    program = (
        "import os, sys; from secc.cli import main; "
        "code = main(['version']); os.write(2, b'lost'); sys.exit(code or sum(os.fstat(n).st_rdev != os.stat(os.devnull).st_rdev for n in range(3)))"
    )
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, program]
    assert subprocess.run(words, timeout=120.0, check=False).returncode == 0
