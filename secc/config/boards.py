"""Checks the configuration of each outlet against its board's address, before anything is opened."""

from __future__ import annotations

from dataclasses import replace

from hal.address import Power
from hal.errors import HalError
from hal.open import recognise
from secc.config.outlet import Ac, Dc, OutletSettings
from secc.config.settings import Config
from secc.config.spoken import named, spoken
from secc.errors import ConfigError
from secc.protocols import protocols
from secc.session.offer import Transfer


def possible(power: Power) -> tuple[Transfer, ...]:
    """Returns the ways of charging of a board that delivers ``power``, the best first."""
    if power.dc:
        return (Transfer.DC,)
    single = (Transfer.AC_SINGLE_PHASE,)
    return (Transfer.AC_THREE_PHASE, *single) if power.phases == 3 else single


def settled(config: Config) -> Config:
    """Returns the configuration with the transfers and protocols of every outlet filled in. Raises
    ConfigError for what its board cannot do.
    """
    outlets = tuple(settled_outlet(config, number) for number in range(len(config.outlets)))
    return replace(config, outlets=outlets)


def settled_outlet(config: Config, number: int) -> OutletSettings:
    """Returns one outlet with its transfers and protocols filled in. Raises ConfigError for what its
    board cannot do.
    """
    outlet = config.outlets[number]
    address = f"outlet[{number}].hal"
    try:
        found = recognise(outlet.hal)
        able, unsafe = possible(found.power), found.unsafe
    except HalError as error:
        raise ConfigError(address, str(error), config.source) from error
    if unsafe and not config.lab.danger_follower:
        text = f"{', '.join(unsafe)}: moves the pilot for the car; for tests, with lab.danger_follower"
        raise ConfigError(address, text, config.source)
    for place, transfer in enumerate(outlet.transfers):
        if transfer not in able:
            raise ConfigError(
                f"outlet[{number}].transfers[{place}]",
                f"is {transfer.value!r}, but {outlet.hal} delivers {' and '.join(able)}",
                config.source,
            )
    other, limits, none = ("ac", outlet.ac, Ac()) if able == (Transfer.DC,) else ("dc", outlet.dc, Dc())
    if limits != none:
        text = f"limits {other.upper()}, but {outlet.hal} delivers {' and '.join(able)}"
        raise ConfigError(f"outlet[{number}].{other}", text, config.source)
    outlet = replace(outlet, transfers=outlet.transfers or able)
    for protocol in named(outlet, protocols()) if outlet.protocols else ():
        if not protocol.transfers.intersection(outlet.transfers):
            place = outlet.protocols.index(protocol.key)
            raise ConfigError(
                f"outlet[{number}].protocols[{place}]",
                f"is {protocol.key!r}, for {' and '.join(protocol.transfers)}, but {outlet.hal} delivers {' and '.join(able)}",
                config.source,
            )
    keys = tuple(protocol.key for protocol in spoken(outlet, protocols()))
    return replace(outlet, protocols=keys or outlet.protocols)
