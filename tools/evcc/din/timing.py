"""The car's timers in DIN SPEC 70121: how long it waits for each answer, and how long it repeats a
request.
"""

from __future__ import annotations

from typing import Final

from secc.conversation import Timeout

_TABLE: Final = "DIN SPEC 70121, EVCC timing table"
_SHORT: Final = 2.0
_SECONDS: Final = {"ServiceDetail": 5.0, "PaymentDetails": 5.0, "CurrentDemand": 0.25}


def message_timeout(request: str) -> Timeout:
    """V2G_EVCC_Msg_Timeout of a request, named without its ``Req``. PowerDelivery has 2 s, not 5 as in
    ISO 15118-2.
    """
    return Timeout(f"V2G_EVCC_Msg_Timeout_{request}", _SECONDS.get(request, _SHORT), _TABLE)


ONGOING: Final = Timeout("V2G_EVCC_Ongoing_Timeout", 60.0, _TABLE)
CABLE_CHECK: Final = Timeout("V2G_EVCC_CableCheck_Timeout", 40.0, _TABLE)
PRE_CHARGE: Final = Timeout("V2G_EVCC_PreCharge_Timeout", 7.0, _TABLE)
WELDING_DETECTION: Final = Timeout("EVCC welding detection", 10.0, "our choice: the standard names no limit")
