"""The refusal of a request with a field outside its facets, so that such a value never reaches the
power path. (A-EXI-06)
"""

from __future__ import annotations

from typing import Any, Final

from secc.din.messages import ResponseCode
from secc.errors import Refusal
from secc.session.facets import Facets

FACETS: Final = Facets()
"""No field is free: an EVCCID may have 0 to 8 octets, which takes every car in the field. (Q-32)"""

CODES: Final = {
    "ServicePaymentSelectionReq.selected_service_list": ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
    "ChargeParameterDiscoveryReq.ev_charge_parameter": ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    "PowerDeliveryReq.charging_profile.sa_schedule_tuple_id": ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    "PowerDeliveryReq.charging_profile": ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
}
"""By request and field, the longest path that fits; FAILED for all others. A request that DIN does
not use is refused by its order before.
"""


def broken_facet(request: Any) -> Refusal | None:
    """Returns the refusal of a request with a field outside its facets; None if all hold."""
    path = FACETS.broken(request)
    if path is None:
        return None
    place = f"{type(request).__name__}.{path}"
    while place not in CODES and "." in place:
        place = place.rpartition(".")[0]
    code = CODES.get(place, ResponseCode.FAILED)
    return Refusal(code, "XSD", f"{path} is outside its facets")
