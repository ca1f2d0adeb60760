"""One TOML file, or flags, become frozen dataclasses; everything else is a ConfigError that names path and line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secc.config import Ac, Config, Dc, Eim, Tls, TraceMode, dangers, from_flags, load, overlay
from secc.errors import ConfigError
from secc.session.offer import AcLimits, DcLimits, Payment, Transfer

PNC = """\
[trust]
truststore = "roots"
keystore = "/keys"

[[outlet]]
interface = "eth1"
"""


def loaded(tmp_path: Path, text: str, **flags: Any) -> Config:
    file = tmp_path / "station.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, flags)


def refused(tmp_path: Path, text: str, **flags: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, **flags)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_a_whole_file_becomes_dataclasses(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """\
[station]
name = "bench-1"
state_directory = "state"

[trust]
truststore = "roots"
keystore = "/keys"
clock = "rtc"

[uplink]
allowlist = "allow.txt"
OfflineTxForUnknownIdEnabled = true

[trace]
mode = "always"
ring_kilobytes = 64

[timing]
eim_seconds = 20

[lab]
tolerate = ["Q-16"]

[[outlet]]
interface = "eth1"
evse_id = "DE*PNX*E00001"
[outlet.dc]
maximum_watts = 60000

[[outlet]]
interface = "eth2"
name = "ac"
transfers = ["ac-three-phase", "ac-single-phase"]
payments = ["external"]
tls = "off"
port = 49152
""",
    )
    first, second = config.outlets
    assert first.name == "1" and second.name == "ac"
    assert first.payments == (Payment.CONTRACT, Payment.EXTERNAL) and first.tls is Tls.OFFERED
    assert second.transfers == (Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE) and second.tls is Tls.OFF
    assert first.dc.within(DcLimits(maximum_watts=150_000.0)).maximum_watts == 60_000.0
    assert config.trust.truststore == tmp_path / "roots" and config.trust.keystore == Path("/keys")
    assert config.control_socket == tmp_path / "state/control.sock"
    assert config.trace_directory == tmp_path / "state/traces" and config.trust.staples == Path("/keys/ocsp")
    assert config.trace.mode is TraceMode.ALWAYS and config.timing.eim_seconds == 20.0
    assert isinstance(config.timing.eim_seconds, float)
    assert config.uplink.policy.offline_tx_for_unknown_id_enabled and config.uplink.policy.contract_validation_offline
    assert config.source == tmp_path / "station.toml"
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.trace.mode = TraceMode.OFF  # type: ignore[misc]  # that it is frozen is what is tested


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[outlet]]\n", "station.toml:1: outlet[0].interface: is missing"),
        ("# nothing\n", "station.toml: outlet[0].interface: is missing"),
        (PNC + "evseid = 'x'\n", "station.toml:7: outlet[0].evseid: is not known; did you mean evse_id?"),
        (PNC + "[outlets]\n", "station.toml:7: outlets: is not known; did you mean outlet?"),
        (PNC + "eim = 'free'\n", "station.toml:7: outlet[0].eim: is not known here; it belongs in [uplink]"),
        (
            PNC + "[uplink]\npncenabled = true\n",
            "station.toml:8: uplink.pncenabled: is not known; did you mean PnCEnabled?",
        ),
        (PNC + "[[outlet]]\ninterface = 7\n", "station.toml:8: outlet[1].interface: must be a text, not a number"),
        (PNC + "interface2.x = 7\n", "station.toml:7: outlet[0].interface2: is not known; did you mean interface?"),
        (PNC + "dc = 7\n", "station.toml:7: outlet[0].dc: must be a table, not a number"),
        (PNC + "dc = 2020-01-01\n", "station.toml:7: outlet[0].dc: must be a table, not a date or time"),
        ("outlet = 5\n", "station.toml:1: outlet: must be a list, not a number"),
        ("outlet = []\n", "station.toml:1: outlet: must have at least 1 entry"),
        ("outlet = [\n5]\n", "station.toml:2: outlet[0]: must be a table, not a number"),
        (PNC + "[lab]\nstrict = 1\n", "station.toml:8: lab.strict: must be true or false, not a number"),
        (PNC + "port = true\n", "station.toml:7: outlet[0].port: must be a whole number, not true or false"),
        (PNC + "port = 49152.0\n", "station.toml:7: outlet[0].port: must be a whole number, not a number"),
        (PNC + "[timing]\neim_seconds = nan\n", "station.toml:8: timing.eim_seconds: must be from 10 to 3600, not nan"),
        (
            PNC + "[timing]\neim_seconds = 1e999\n",
            "station.toml:8: timing.eim_seconds: must be from 10 to 3600, not inf",
        ),
        (
            PNC + f"[timing]\neim_seconds = {10**400}\n",
            "station.toml:8: timing.eim_seconds: must be from 10 to 3600, not a number that large",
        ),
        (PNC + "[timing]\neim_seconds = '20'\n", "station.toml:8: timing.eim_seconds: must be a number, not a text"),
        (PNC + "transfers = []\n", "station.toml:7: outlet[0].transfers: must have at least 1 entry"),
        (PNC + "transfers = [\n'dc',\n'dc']\n", "station.toml:9: outlet[0].transfers[1]: is in the list twice"),
        (
            PNC + "transfers = ['ac-3-phase']\n",
            "station.toml:7: outlet[0].transfers[0]: must be one of 'ac-single-phase', 'ac-three-phase', 'dc', "
            "not 'ac-3-phase'; did you mean 'ac-three-phase'?",
        ),
        (
            PNC + "tls = ['off']\n",
            "station.toml:7: outlet[0].tls: must be one of 'required', 'offered', 'off', not a list",
        ),
        (PNC + "interface = 'x'\n", "station.toml:7: file: is not TOML: Cannot overwrite a value"),
        (PNC + "[trust]\n", "station.toml:7: file: is not TOML: Cannot declare ('trust',) twice"),
        (PNC + "a = \n", "station.toml:7: file: is not TOML: Invalid value"),
        (PNC + "a = [1,", "station.toml:7: file: is not TOML: Invalid value"),
        (PNC + f"a = {'9' * 5000}\n", "station.toml: file: is not TOML: Exceeds the limit"),
        (PNC + f"a = {'[' * 50_000}\n", "station.toml: file: is nested too deeply"),
        (PNC + "#" * 300_000, "station.toml: file: is larger than 262144 octets"),
        (
            PNC + '[station]\nname = "a\\u0000b"\n',
            "station.toml:8: station.name: must be a text of 1 to 4096 printable",
        ),
        (PNC + "[trace]\ndirectory = ''\n", "station.toml:8: trace.directory: must be a path of 1 to 4096 printable"),
        (PNC + "evse_id = 'DE*PNX*X1'\n", "station.toml:7: outlet[0].evse_id: must be an EVSEID such as"),
        (PNC + "evse_id = 'DE*PNXE1'\n", "station.toml:7: outlet[0].evse_id: must be an EVSEID such as"),
        (PNC + "[lab]\ntolerate = ['Q-99']\n", "station.toml:8: lab.tolerate[0]: must be the code of a field quirk"),
        # What contradicts itself
        (
            PNC + "tls = 'off'\n",
            "station.toml:5: outlet[0].payments: offers contract, which needs TLS, but tls is 'off'",
        ),
        (
            "[[outlet]]\ninterface = 'a'\npayments = ['contract']\n",
            "station.toml:1: outlet[0].tls: is 'required', but trust.keystore names no certificates",
        ),
        (
            "[trust]\nkeystore = 'k'\n[[outlet]]\ninterface = 'a'\npayments = ['contract']\n",
            "station.toml:5: outlet[0].payments: offers contract, but trust.truststore names no roots to check one with",
        ),
        (
            "[trust]\nrevoked = 'r'\n[[outlet]]\ninterface = 'a'\n",
            "station.toml:2: trust.revoked: is set, but trust.truststore names no roots",
        ),
        (
            PNC + "port = 15118\n",
            "station.toml:7: outlet[0].port: must be 0 or from 49152 to 65535; 15118 is for old tools",
        ),
        (
            PNC + "[outlet.dc]\nmaximum_volts = 400\nminimum_volts = 500\n",
            "station.toml:9: outlet[0].dc.minimum_volts: is 500, more than maximum_volts = 400",
        ),
        (
            PNC + "[[outlet]]\ninterface = 'eth1'\n",
            "station.toml:7: outlet[1].sdp_port: repeats the interface and SDP port of outlet '1'",
        ),
        (
            PNC + "[[outlet]]\ninterface = 'eth2'\nname = '1'\n",
            "station.toml:9: outlet[1].name: repeats the name of outlet '1'",
        ),
        (
            PNC + "[uplink]\nRequestMeteringReceipt = true\n",
            "station.toml:8: uplink.RequestMeteringReceipt: is set, but uplink.receipts names no file",
        ),
        (
            PNC + "[uplink]\nsessions = 'book'\nreceipts = './book'\n",
            "station.toml:9: uplink.receipts: is the file of uplink.sessions, too",
        ),
        (
            PNC + "[timing]\nreceipt_seconds = 1\n",
            "station.toml:8: timing.receipt_seconds: must be from 5 to 86400, not 1",
        ),
        (
            PNC + "[lab]\ntolerate = ['Q-16', 'Q-63']\n",
            "station.toml:8: lab.tolerate[1]: Q-63 cannot be asked for",
        ),
        (
            PNC + "[lab]\nstrict = true\ntolerate = ['Q-16']\n",
            "station.toml:9: lab.tolerate: tolerates what lab.strict",
        ),
        (
            PNC + "[lab]\nstrict = true\n[timing]\nanswer_seconds = 0.1\n",
            "station.toml:10: timing.answer_seconds: delays answers, which lab.strict switches off",
        ),
        (
            PNC + "payments = ['contract']\n[uplink]\neim = 'free'\n",
            "station.toml:9: uplink.eim: is free, but no outlet offers external payment",
        ),
        (
            PNC + f"[station]\ncontrol_socket = '/{'x' * 200}'\n",
            "station.toml:8: station.control_socket: makes a path of the control socket that is longer than",
        ),
    ],
)
def test_a_wrong_value_names_its_path_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    assert refused(tmp_path, text).startswith(complaint)


def test_old_tools_may_have_their_port_when_asked_for(tmp_path: Path) -> None:
    assert loaded(tmp_path, PNC + "port = 15118\n[lab]\ntolerate = ['Q-16']\n").outlets[0].port == 15118


def test_the_error_carries_its_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, PNC + "port = 80\n")
    error = caught.value
    assert (error.path, error.line, error.where) == ("outlet[0].port", 7, tmp_path / "station.toml")


@pytest.mark.parametrize("what", ["missing", "directory"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "missing" if what == "missing" else tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load("\0")


def test_no_text(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_bytes(b"a = 1\n\xff\xfe")
    with pytest.raises(ConfigError, match=":2: file: is not UTF-8 text"):
        load(file)


def test_flags_alone_make_a_station() -> None:
    config = from_flags({"iface": "eth1", "eim": "free", "port": None, "trace_directory": Path("/t")})
    assert config.outlets[0].interface == "eth1" and config.uplink.eim is Eim.FREE
    assert config.outlets[0].payments == (Payment.EXTERNAL,) and config.outlets[0].tls is Tls.OFF
    assert config.trace_directory == Path("/t") and config.source is None
    assert from_flags({"iface": "lo"}).uplink.eim is Eim.LIST, "who is let charge is asked for, never assumed"


def test_flags_lie_over_a_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, PNC, iface="eth9", transfers="ac-single-phase, dc", tolerate=["Q-16"], keystore="here")
    assert config.outlets[0].interface == "eth9"
    assert config.outlets[0].transfers == (Transfer.AC_SINGLE_PHASE, Transfer.DC)
    assert config.lab.tolerate == ("Q-16",)
    assert config.trust.keystore == Path("here").absolute(), (
        "a path in a flag is relative to where the command was given"
    )


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({}, "--iface: is missing"),
        (
            {"iface": "eth1", "eim": "fre"},
            "--eim: must be one of 'list', 'any', 'free', not 'fre'; did you mean 'free'?",
        ),
        ({"iface": "eth1", "tls": "required"}, "--tls: is 'required', but trust.keystore names no certificates"),
        ({"iface": "eth1", "transfers": "dc,ac"}, "--transfers: must be one of"),
        ({"iface": "eth1", "turbo": True}, "--turbo: is not known"),
    ],
)
def test_a_wrong_flag_is_named(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_flags(flags)
    assert str(caught.value).startswith(complaint)


def test_a_flag_cannot_mean_one_of_two_outlets(tmp_path: Path) -> None:
    two = PNC + "[[outlet]]\ninterface = 'eth2'\n"
    assert refused(tmp_path, two, hal="sim:") == "--hal: cannot say which of the 2 outlets in the file is meant"
    assert loaded(tmp_path, two, log="debug").log.level == "debug"


def test_overlaying_leaves_the_tree_alone() -> None:
    tree: dict[str, Any] = {"outlet": [{"interface": "a"}], "lab": {}}
    assert overlay(tree, {"iface": "b", "strict": True}) == {"outlet": [{"interface": "b"}], "lab": {"strict": True}}
    assert tree == {"outlet": [{"interface": "a"}], "lab": {}}


def test_nothing_is_dangerous_unless_asked_for(tmp_path: Path) -> None:
    assert dangers(loaded(tmp_path, PNC)) == ()
    config = loaded(
        tmp_path,
        PNC
        + "[uplink]\neim = 'any'\nOfflineTxForUnknownIdEnabled = true\n"
        + "[lab]\ndanger_trace_personal = true\ndanger_keylog = 'k'\ntolerate = ['Q-16']\n",
        clock="rtc",
    )
    named = [line.split(" ")[0] for line in dangers(config)]
    assert named == [
        "uplink.eim",
        "uplink.OfflineTxForUnknownIdEnabled",
        "lab.tolerate",
        "lab.danger_keylog",
        "lab.danger_trace_personal",
    ]


def test_limits_only_ever_narrow_what_the_hardware_can() -> None:
    hardware = DcLimits(
        minimum_volts=200, maximum_volts=500, maximum_amperes=100, maximum_watts=50_000, ripple_amperes=2
    )
    wide = Dc(minimum_volts=0, maximum_volts=1500, maximum_amperes=900, maximum_watts=1e6)
    assert wide.within(hardware) == hardware == Dc().within(hardware)
    narrow = Dc(minimum_volts=250, maximum_volts=450, minimum_amperes=1, maximum_amperes=10, maximum_watts=1000)
    assert narrow.within(hardware) == DcLimits(250, 450, 1, 10, 1000, 2)
    ac = AcLimits(volts=230, maximum_amperes=32, minimum_amperes=6, phases=3)
    assert Ac(maximum_amperes=16, minimum_amperes=7).within(ac) == AcLimits(230, 16, 7, 3)
    assert Ac(maximum_amperes=80).within(ac) == ac


TABLES = ["outlet", "trust", "uplink", "station", "lab", "timing", "log"]
VALUES = ["interface", "eim", "port", "dc", "ac", "tls", "payments", "tolerate", "maximum_volts", "x"]
KEYS = st.sampled_from([*TABLES, *VALUES])
TREES = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.floats(),
        st.text(max_size=5),
        st.dates(),
        st.sampled_from(["eth1", "dc", "free", "off"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_any_tree_is_a_config_or_a_config_error(tree: dict[str, Any]) -> None:
    from secc.config.sources import _build

    try:
        assert isinstance(_build(overlay(tree, {"log": "info"}), None, "", {}), Config)
    except ConfigError as error:
        assert error.path


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    octets=st.one_of(
        st.binary(max_size=60), st.text(st.sampled_from("[]{}=\"'\\#\n.a1,- "), max_size=60).map(str.encode)
    )
)
def test_any_octets_are_a_config_error(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "station.toml"
    file.write_bytes(octets)
    with pytest.raises(ConfigError):
        load(file)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_a_config_or_a_config_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray((PNC + "[outlet.dc]\nmaximum_volts = 400.0\n[lab]\ntolerate = ['Q-16']\n").encode())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "station.toml"
    file.write_bytes(whole)
    try:
        assert isinstance(load(file), Config)
    except ConfigError as error:
        assert str(error).startswith(str(file))


def test_the_file_of_a_board_is_relative_to_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise ``secc check`` in /etc/secc would find it, and the unit, which starts in /, would not."""
    (tmp_path / "station.toml").write_text('[[outlet]]\ninterface = "lo"\nhal = "composed:parts/board.toml"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(tmp_path / "station.toml").outlets[0].hal == f"composed:{tmp_path}/parts/board.toml"
    given = load(tmp_path / "station.toml", {"hal": "linux:mine.toml"})
    assert given.outlets[0].hal == f"linux:{tmp_path}/elsewhere/mine.toml"
    for other in ("sim:?connector=ac", "chargesom:/dev/ttyLP2", "linux:/etc/secc/board.toml"):
        assert load(tmp_path / "station.toml", {"hal": other}).outlets[0].hal == other
