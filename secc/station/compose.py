"""The composition root: makes the services of a station from its configuration."""

from __future__ import annotations

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
from secc.uplink.standalone import Standalone


def compose(config: Config, notifier: Notifier) -> Services:
    """Returns the services of a station. Raises ConfigError for errors that show before anything
    runs.

    The ``config`` of the services has the transfers and protocols of every outlet filled in.
    """
    state = config.station.state_directory
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("station.state_directory", f"{state}: {error.strerror}", config.source) from error
    config = settled(config)
    calendar = Calendar(state / FILE, vouched=config.trust.clock is Clock.RTC)
    assert config.uplink.kind is UplinkKind.STANDALONE
    keylog = Keylog(config.lab.danger_keylog) if config.lab.danger_keylog is not None else None
    for name, store in (("truststore", config.trust.truststore), ("keystore", config.trust.keystore)):
        try:
            if store is not None:
                require_directory(store)
        except StoreError as error:
            raise ConfigError(f"trust.{name}", str(error), config.source) from error
    used = {key for outlet in config.outlets for key in outlet.protocols}
    spoken, trust = tuple(protocol for protocol in protocols() if protocol.key in used), None
    if config.trust.keystore is not None or config.trust.truststore is not None:
        trust = TrustRoom(config.trust, calendar.judging, editions(spoken), keylog, strict=config.lab.strict)
    return Services(
        config=config,
        calendar=calendar,
        trust=trust,
        uplink=Standalone(config.rules, calendar.wall),
        spoken=spoken,
        notifier=notifier,
        keylog=keylog,
    )
