"""Settings for a laboratory, and what its engineers order of a station: to narrow its offer, to leave
something out, to take longer.

An order never opens what the other settings close. Cars have no way to give one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from frozen import dataclass
from secc.config.choices import QUIRK, Tls
from secc.config.facets import Danger, Doc, Range, settings
from secc.config.lines import KeyPath
from secc.config.outlet import OutletSettings
from secc.config.parser import Parser, Wrong, spelled
from secc.errors import ConfigError
from secc.session.offer import MeterDetail, Payment
from secc.session.wishes import Held

LONGEST_INSULATION_SECONDS = 60.0
"""Longer than the 38 s after which the station gives a cable check up."""


@dataclass(frozen=True, slots=True)
class LabOrders:
    """Orders of a lab, until changed by ``secc control lab``."""

    enabled: Annotated[
        bool,
        Doc(
            "Obey this table and `secc control lab` ([lab-bench.md](lab-bench.md#lab-orders)). Otherwise every other setting here is an error."
        ),
        Danger((True,), "a user of the control socket changes what cars are offered and told"),
    ] = False
    ongoing: Annotated[
        tuple[Held, ...], Doc("Phases that are answered with Ongoing for as long as they stand here.")
    ] = ()
    payment: Annotated[
        Payment | None, Doc("Offer this payment option only, out of `payments` of the outlet.", "all of the outlet")
    ] = None
    tls: Annotated[
        Tls | None,
        Doc('At an outlet with `tls = "offered"`: only TLS (`required`), or none (`off`).', "as the outlet has it"),
    ] = None
    meter_info: Annotated[
        MeterDetail, Doc("MeterInfo while charging: with the reading, with the meter's identity alone, or left out.")
    ] = MeterDetail.READING
    tariff: Annotated[
        bool,
        Doc(
            "Offer every schedule with made-up price levels, for external payment: a car with a contract wants a tariff signed "
            "([schedules.md](schedules.md))."
        ),
    ] = False
    receipts: Annotated[
        bool,
        Doc(
            "Demand a metering receipt in every answer of the charging loop of a car with a contract; needs `uplink.receipts`."
        ),
    ] = False
    insulation_seconds: Annotated[
        float,
        Doc("Shortest insulation test of a cable check, in seconds; the station gives up after 38 s."),
        Range(0, LONGEST_INSULATION_SECONDS),
    ] = 0.0

    def ordered(self, key: str, value: object) -> LabOrders:
        """Returns these orders with one more or another one; a value of None takes it back. Raises
        ConfigError.
        """
        known = {setting.key: setting for setting in settings(type(self)) if setting.key != "enabled"}
        if key not in known:
            raise ConfigError(key, f"is not an order of a lab; there are: {', '.join(known)}")
        if value is None:
            return replace(self, **{known[key].field: known[key].default})
        try:
            found = Parser(Path.cwd(), dict).table(type(self), {key: value}, ())
        except Wrong as wrong:
            raise ConfigError(spelled(wrong.path), wrong.hint) from None
        return replace(self, **{known[key].field: getattr(found, known[key].field)})

    def within(self, outlet: OutletSettings) -> OutletSettings:
        """Returns the settings of an outlet under these orders. Raises ConfigError for an order that
        asks for more than they allow.
        """
        try:
            self.check(outlet, ())
        except Wrong as wrong:
            raise ConfigError(spelled(wrong.path), wrong.hint) from None
        payments = outlet.payments if self.payment is None else (self.payment,)
        return replace(outlet, payments=payments, tls=self.tls or outlet.tls)

    def check(self, outlet: OutletSettings, path: KeyPath) -> None:
        """Raises Wrong for an order that asks for more than the outlet's settings allow."""
        where = f"of outlet {outlet.name!r}"
        if self.payment is not None and self.payment not in outlet.payments:
            raise Wrong((*path, "payment"), f"is {self.payment.value!r}, which is not among the payments {where}")
        tls = self.tls or outlet.tls
        if tls is not outlet.tls and outlet.tls is not Tls.OFFERED:
            raise Wrong((*path, "tls"), f"is {tls.value!r}, but tls {where} is {outlet.tls.value!r}")
        payments = outlet.payments if self.payment is None else (self.payment,)
        if tls is Tls.OFF and payments == (Payment.CONTRACT,):
            raise Wrong((*path, "tls"), f"is 'off', which leaves {where} contract without TLS")

    def plain(self) -> dict[str, Any]:
        """Returns the orders that differ from the default, as plain values."""
        found: dict[str, Any] = {}
        for setting in settings(type(self)):
            value = getattr(self, setting.field)
            if setting.key != "enabled" and value != setting.default:
                words = [str(entry) for entry in value] if isinstance(value, tuple) else value
                found[setting.key] = str(value) if isinstance(value, str) else words
        return found


def spelled_value(key: str, text: str | None) -> object:
    """Returns the value of an order as the control socket takes it, from a command line. The station
    judges it. Raises ConfigError if there is none, or if it is not a number where one is needed.
    """
    if text is None:
        raise ConfigError(key, "needs a value, or `default`")
    if text == "default":
        return None
    setting = next((setting for setting in settings(LabOrders) if setting.key == key), None)
    if setting is None:
        return text
    if setting.kind is not setting.element:
        return [entry.strip() for entry in text.split(",")]
    if setting.kind is bool:
        return {"true": True, "false": False}.get(text, text)
    try:
        return setting.kind(text) if setting.kind in (int, float) else text
    except ValueError:
        raise ConfigError(key, f"must be a number, not {text!r}") from None


@dataclass(frozen=True, slots=True)
class Lab:
    """Settings for a laboratory. A station in the field has none of them."""

    strict: Annotated[bool, Doc("Switch every tolerance of field quirks off, for conformance runs.")] = False
    tolerate: Annotated[
        tuple[str, ...],
        Doc("Field quirks tolerated beyond the defaults, such as `Q-16`."),
        QUIRK,
        Danger((), "what a car gets wrong about power or receipts is let pass"),
    ] = ()
    danger_keylog: Annotated[
        Path | None,
        Doc("File to which TLS session keys are appended (NSS key log): they decrypt the sessions.", "none"),
    ] = None
    danger_follower: Annotated[
        bool, Doc("For tests: let simulated hardware move the pilot for a car without one (`follower` in its address).")
    ] = False
    danger_trace_personal: Annotated[
        bool, Doc("Leave contract certificates, EMAIDs and EVCCIDs in traces. For lab certificates only.")
    ] = False
    orders: Annotated[LabOrders, Doc("What a lab orders of the station.")] = LabOrders()
