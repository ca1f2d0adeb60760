"""The self-test of status_request_v2: what passes, and what makes the station serve status_request instead."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence

import pytest

from secc.link.tls import self_test as self_test_module
from secc.link.tls import status_v2
from secc.link.tls.errors import SelfTestFailed, TlsUnavailable
from secc.link.tls.libssl import LibSsl, system_libssl
from secc.link.tls.minimal_client import MinimalClient
from secc.link.tls.self_test import SERIES, status_request_v2, tried
from secc.link.tls.status_v2 import StatusAnswer, StatusRequestV2
from tests.link.tls.status_runs import listed

LIB = system_libssl()


@listed
def test_it_passes_with_the_libssl_of_this_machine() -> None:
    assert tried(LIB).problems == ()
    assert LIB.version_text in tried(LIB).proof
    assert status_request_v2() is status_request_v2(), "one for the process: what switches it off, does so for all"


@pytest.mark.parametrize("series", [(3, 1), (3, 4), (3, 6), (4, 0)])
def test_a_libssl_that_is_not_listed_is_not_tried(series: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LIB, "series", series)
    monkeypatch.setattr(self_test_module, "self_test", lambda serving, lib: pytest.fail("its buffers were changed"))
    (problem,) = tried(LIB).problems
    assert problem.startswith("status_request_v2 is not served, status_request is: OpenSSL ")
    assert problem.endswith(" is not one of the series 3.0 and 3.5")


def test_the_series_of_a_libssl() -> None:
    assert LIB.version_text.startswith(f"OpenSSL {LIB.series[0]}.{LIB.series[1]}.")


def test_without_a_libssl_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> LibSsl:
        raise TlsUnavailable("no libssl here")

    monkeypatch.setattr(self_test_module, "system_libssl", none)
    assert status_request_v2.__wrapped__().problem == "no libssl here"


def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StatusAnswer, "record_built", lambda answer, address: None)


def changed_in(place: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Only record (0) or message (1) is changed, as by a libssl that copies at another time."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []

        def memset(address: int, value: int, count: int) -> None:
            if len(calls) % 2 == place:
                ctypes.memmove(address, bytes((value,)) * count, count)
            calls.append(address)

        monkeypatch.setattr(status_v2.ctypes, "memset", memset)

    return patch


def not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_v2, "announcement", lambda message: None)


def responses(
    order: Callable[[Sequence[bytes | None]], Sequence[bytes | None]],
) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def made(answer: StatusAnswer, serving: StatusRequestV2, staples: Sequence[bytes | None]) -> None:
            first(answer, serving, order(staples))

        first = StatusAnswer.__init__
        monkeypatch.setattr(StatusAnswer, "__init__", made)

    return patch


def bad_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = MinimalClient.answer

    def spoilt(client: MinimalClient, flight: bytes) -> object:
        # The last octet of the signature, in front of ServerHelloDone's record.
        return answer(client, flight[:-10] + bytes((flight[-10] ^ 1,)) + flight[-9:])

    monkeypatch.setattr(MinimalClient, "answer", spoilt)


def station_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = MinimalClient.finish
    monkeypatch.setattr(
        MinimalClient, "finish", lambda client, flight: finish(client, flight[:-1] + bytes((flight[-1] ^ 1,)))
    )


@listed
@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        pytest.param(unchanged, r"the ServerHello has the extensions \[5, 11\]", id="announced as status_request"),
        pytest.param(changed_in(0), "digest check failed, after the car's Finished", id="changed in the record alone"),
        pytest.param(changed_in(1), "digest check failed, after the car's Finished", id="changed in the message alone"),
        pytest.param(not_found, "no ServerHello that announces", id="not announced"),
        pytest.param(responses(lambda staples: tuple(reversed(staples))), "not those of the chain", id="reversed"),
        pytest.param(responses(lambda staples: [s for s in staples if s]), "not those of the chain", id="no empty one"),
        pytest.param(responses(lambda staples: staples[:1]), "not those of the chain", id="the leaf's alone"),
        pytest.param(bad_signature, "the signature of the ServerKeyExchange is bad", id="signature"),
        pytest.param(station_finished, "Finished is sealed with another key", id="the station's Finished"),
    ],
)
def test_a_flaw_makes_the_station_serve_version_1(
    flaw: Callable[[pytest.MonkeyPatch], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaw(monkeypatch)
    (problem,) = tried(LIB).problems
    assert problem.startswith("status_request_v2 is not served, status_request is: ")
    assert re.search(said, problem), problem


def test_the_flaws_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(serving: StatusRequestV2, lib: LibSsl) -> None:
        raise SelfTestFailed("the responses are not those of the chain, in its order")

    monkeypatch.setattr(self_test_module, "self_test", failing)
    monkeypatch.setattr(LIB, "series", SERIES[0])
    assert tried(LIB).problem.startswith(f"the self-test with {LIB.version_text} failed: the responses are not")
