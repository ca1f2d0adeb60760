"""The composition root: which protocols are spoken, and which backend decides."""

from __future__ import annotations

import logging
from pathlib import Path

from certs.errors import StoreError
from certs.files import require_directory
from secc.config import Clock, Config, UplinkKind
from secc.config.boards import settled
from secc.errors import ConfigError
from secc.ops.calendar import FILE, Calendar
from secc.protocols import editions, protocols
from secc.station.shared.notify import Notifier
from secc.station.shared.services import Keylog, Services
from secc.station.shared.trust import TrustRoom
from secc.uplink.port import Backend
from secc.uplink.standalone import Standalone

log = logging.getLogger(__name__)


def uplink(config: Config, calendar: Calendar) -> Backend:
    """The backend that the configuration names."""
    assert config.uplink.kind is UplinkKind.STANDALONE
    return Standalone(config.rules, calendar.wall)


def compose(config: Config, notifier: Notifier) -> Services:
    """Compose the station. Raises ConfigError for what can be seen to be wrong before anything runs.

    The ``config`` of the services has the transfers of every outlet written out.
    """
    state = config.station.state_directory
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("station.state_directory", f"{state}: {error.strerror}", config.source) from error
    config = settled(config)
    calendar = Calendar(state / FILE, vouched=config.trust.clock is Clock.RTC)
    keylog = Keylog(config.lab.danger_keylog) if config.lab.danger_keylog is not None else None
    for name, store in (("truststore", config.trust.truststore), ("keystore", config.trust.keystore)):
        _require_store(config, name, store)
    spoken, trust = protocols(), None
    if config.trust.keystore is not None or config.trust.truststore is not None:
        trust = TrustRoom(config.trust, calendar.judging, editions(spoken), keylog, strict=config.lab.strict)
    return Services(
        config=config,
        calendar=calendar,
        trust=trust,
        uplink=uplink(config, calendar),
        spoken=spoken,
        notifier=notifier,
        keylog=keylog,
    )


def _require_store(config: Config, name: str, store: Path | None) -> None:
    """What lies in it is a matter of its own; one that is not there is a wrong setting."""
    try:
        if store is not None:
            require_directory(store)
    except StoreError as error:
        raise ConfigError(f"trust.{name}", str(error), config.source) from error
