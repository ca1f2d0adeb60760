"""What ``secc doctor`` says of the kernel's settings for the car's interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.ops.hardening import PLACE, SETTINGS, hardened

pytestmark = pytest.mark.case("A-NET-05", "A-NET-10")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "eth1").mkdir()
    for name in SETTINGS:
        (tmp_path / "eth1" / name).write_text("0\n")
    return tmp_path


def said(place: Path) -> list[str]:
    return [str(finding) for finding in hardened("outlet 1", "eth1", place)]


def test_an_interface_that_changes_no_routes(settings: Path) -> None:
    assert said(settings) == ["OK   outlet 1: eth1 takes no redirects and no routes from cars"]


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_that_lets_the_line_change_routes_is_told_with_its_remedy(settings: Path, name: str) -> None:
    (settings / "eth1" / name).write_text("1\n")
    (line,) = said(settings)
    assert line.startswith(f"NOTE outlet 1: {name} of eth1 is 1: ")
    assert f"sysctl net.ipv6.conf.eth1.{name}=0" in line


def test_an_interface_without_settings_is_not_checked(tmp_path: Path) -> None:
    assert said(tmp_path) == ["SKIP outlet 1: kernel settings of eth1 not checked: No such file or directory"]


def test_the_kernel_has_these_settings() -> None:
    assert all((PLACE / "default" / name).is_file() for name in SETTINGS)
