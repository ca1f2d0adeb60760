"""The protocols of an outlet: what is named, what follows where nothing is, and what cannot be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from secc.config import Config, Tls, from_flags, load
from secc.config.boards import settled
from secc.config.spoken import spoken
from secc.errors import ConfigError
from secc.ops.check import report
from secc.ops.doctor import examine
from secc.protocols import protocols
from secc.session.offer import Payment
from secc.station.compose import compose
from secc.station.shared.notify import Notifier
from tests.station_config import BOTH, configured
from tests.two_protocols import NARROW, WIDE, register

TRUST = '[trust]\ntruststore = "roots"\nkeystore = "keys"\n'
OUTLET = '[[outlet]]\ninterface = "lo"\n'


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def written(directory: Path, text: str) -> Config:
    file = directory / "station.toml"
    file.write_text(text)
    return load(file)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('protocols = ["wide",\n"narow"]', "4: outlet[0].protocols[1]: must be one of 'wide', 'narrow', not 'narow'; did you mean 'narrow'?"),
        ('protocols = ["Wide 1"]', "3: outlet[0].protocols[0]: must be one of 'wide', 'narrow', not 'Wide 1'"),
        ("protocols = []", "3: outlet[0].protocols: must have at least 1 entry"),
        ('protocols = ["wide", "wide"]', "3: outlet[0].protocols[1]: is in the list twice"),
        ('protocols = "wide"', "3: outlet[0].protocols: must be a list, not a text"),
        ("protocols = [7]", "3: outlet[0].protocols[0]: must be one of 'wide', 'narrow', not 7"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_an_error_with_its_line(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, OUTLET + lines)
    assert str(caught.value).startswith(f"{tmp_path}/station.toml:{said}")


def test_a_wrong_name_in_a_flag_names_the_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--protocols: must be one of 'wide', 'narrow', not 'both'"):
        from_flags({"iface": "lo", "protocols": "both"})
    config = from_flags({"iface": "lo", "protocols": "narrow,wide"})
    assert config.outlets[0].protocols == ("narrow", "wide")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('protocols = ["narrow"]\ntls = "required"', "protocols: leaves nothing to speak: 'narrow' runs on plain TCP only, and tls is 'required'"),
        ('protocols = ["narrow"]\npayments = ["contract"]', "protocols: leaves nothing to speak: 'narrow' runs on plain TCP only"),
        ('protocols = ["narrow"]\npayments = ["contract"]\ntls = "offered"', "protocols: leaves nothing to speak: 'narrow' cannot carry a contract"),
        ('protocols = ["narrow"]\ntls = "offered"', "tls: is 'offered', but the outlet speaks nothing that runs on TLS"),
        ('protocols = ["narrow"]\npayments = ["contract", "external"]', "payments: offers contract, which needs TLS, but tls is 'off'"),
    ],
)  # fmt: skip
def test_settings_that_leave_nothing_to_speak_are_an_error(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"outlet[0].{said}")):
        written(tmp_path, TRUST + OUTLET + lines)


def test_a_contract_that_nothing_can_carry_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secure = replace(NARROW, transports=WIDE.transports)
    monkeypatch.setattr("secc.protocols._SPOKEN", [lambda: WIDE, lambda: secure])
    text = TRUST + OUTLET + 'protocols = ["narrow"]\npayments = ["contract", "external"]'
    with pytest.raises(ConfigError, match=re.escape("outlet[0].payments: offers contract, but the outlet speaks noth")):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "payments", "tls"),
    [
        ("", BOTH, Tls.OFFERED),
        ('protocols = ["wide", "narrow"]', BOTH, Tls.OFFERED),
        ('protocols = ["wide"]', BOTH, Tls.OFFERED),
        ('protocols = ["narrow"]', (Payment.EXTERNAL,), Tls.OFF),
    ],
)
def test_defaults_follow_what_is_named(tmp_path: Path, line: str, payments: tuple[Payment, ...], tls: Tls) -> None:
    (outlet,) = written(tmp_path, TRUST + OUTLET + line).outlets
    assert (outlet.payments, outlet.tls) == (payments, tls)


@pytest.mark.parametrize("tls", Tls)
@pytest.mark.parametrize("dc", [True, False])
@pytest.mark.parametrize("named", [(), ("wide", "narrow"), ("wide",)])
def test_an_outlet_speaks_what_its_hardware_and_its_transport_can_carry(
    tmp_path: Path, tls: Tls, dc: bool, named: tuple[str, ...]
) -> None:
    config = configured(tmp_path, dc=dc, tls=tls, protocols=named)
    if "narrow" in named and not dc:
        return  # an error
    (outlet,) = settled(config).outlets
    both = dc and tls is not Tls.REQUIRED and named != ("wide",)
    assert outlet.protocols == (("wide", "narrow") if both else ("wide",))
    assert spoken(outlet, protocols()) == ((WIDE, NARROW) if both else (WIDE,))


def test_where_nothing_but_contract_pays_a_protocol_without_contracts_is_not_spoken(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=(Payment.CONTRACT,))
    assert settled(config).outlets[0].protocols == ("wide",)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("narrow",), "protocols[0]: is 'narrow', for dc, but sim:?connector=ac delivers ac-three-phase and ac-single"),
        (("wide", "narrow"), "protocols[1]: is 'narrow', for dc, but sim:?connector=ac delivers ac-three-phase and ac"),
    ],
)
def test_what_the_hardware_cannot_carry_is_an_error_in_check_doctor_and_run_alike(
    tmp_path: Path, named: tuple[str, ...], said: str
) -> None:
    config = configured(tmp_path, hal="sim:?connector=ac", dc=False, protocols=named)
    assert any(str(finding).startswith(f"BAD  outlet 1: {said}") for finding in report(config)), report(config)
    assert any(str(finding).startswith(f"BAD  outlet 1: {said}") for finding in examine(config))
    with pytest.raises(ConfigError, match=re.escape(f"outlet[0].{said}")):
        compose(config, Notifier({}))


CANNOT = "cars that speak Narrow 1 only cannot charge: it"
SAID = {
    "both": ({}, ["OK   outlet 1: speaks Wide 1 and Narrow 1"]),
    "AC": ({"dc": False}, ["OK   outlet 1: speaks Wide 1"]),
    "one": ({"protocols": ("narrow",)}, ["OK   outlet 1: speaks Narrow 1"]),
    "TLS": (
        {"tls": Tls.REQUIRED},
        [
            "OK   outlet 1: speaks Wide 1",
            f"NOTE outlet 1: {CANNOT} runs on plain TCP only, and tls is 'required'",
        ],
    ),
    "TLS on purpose": ({"tls": Tls.REQUIRED, "protocols": ("wide",)}, ["OK   outlet 1: speaks Wide 1"]),
    "TLS against what is named": (
        {"tls": Tls.REQUIRED, "protocols": ("wide", "narrow")},
        [
            "OK   outlet 1: speaks Wide 1",
            f"NOTE outlet 1: {CANNOT} runs on plain TCP only, and tls is 'required'",
        ],
    ),
    "contract": (
        {"tls": Tls.OFFERED, "payments": (Payment.CONTRACT,)},
        [
            "OK   outlet 1: speaks Wide 1",
            f"NOTE outlet 1: {CANNOT} cannot carry a contract, and payments has nothing else",
        ],
    ),
    "nothing": (
        {"tls": Tls.REQUIRED, "protocols": ("narrow",)},
        [
            "BAD  outlet 1: speaks no protocol",
            f"NOTE outlet 1: {CANNOT} runs on plain TCP only, and tls is 'required'",
        ],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_the_check_says_what_an_outlet_speaks_and_which_cars_cannot_charge(tmp_path: Path, name: str) -> None:
    changes, said = SAID[name]
    config = configured(tmp_path, **changes)  # type: ignore[arg-type]
    lines = [str(finding) for finding in report(config)]
    assert [line for line in lines if "speak" in line] == said


def test_a_station_has_what_one_of_its_outlets_speaks(tmp_path: Path) -> None:
    config = configured(tmp_path, outlets=2)
    first, second = config.outlets
    alone = replace(config, outlets=(replace(first, protocols=("narrow",)),))
    assert compose(alone, Notifier({})).protocols.spoken == (NARROW,)
    each = replace(config, outlets=(replace(first, protocols=("narrow",)), replace(second, protocols=("wide",))))
    assert compose(each, Notifier({})).protocols.spoken == (WIDE, NARROW)
