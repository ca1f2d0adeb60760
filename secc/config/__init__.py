"""Makes frozen dataclasses from one TOML file or from flags, before anything runs. An error names
the path and the line of the wrong value.

``load(path, flags)`` and ``from_flags(flags)`` raise :class:`~secc.errors.ConfigError` and nothing
else.
"""

from secc.config.choices import Clock, Modem, Tls, TraceMode, UplinkKind
from secc.config.lab import Lab, LabOrders
from secc.config.outlet import Ac, Dc, OutletSettings
from secc.config.settings import Config, Log, Station, Timing, Trace, Trust, Uplink
from secc.config.sources import FLAGS, dangers, flag_setting, from_flags, load, overlay
from secc.outlet.settings import Hlc
from secc.uplink.standalone import Eim
