"""The refusal of a request with a field outside its facets, so that such a value never reaches the
power path. (A-EXI-06)
"""

from __future__ import annotations

from typing import Final

from secc.din.messages import ResponseCode
from secc.session.facets import Facets

CODES: Final = {
    "ServicePaymentSelectionReq.selected_service_list": ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
    "ChargeParameterDiscoveryReq.ev_charge_parameter": ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    "PowerDeliveryReq.charging_profile.sa_schedule_tuple_id": ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    "PowerDeliveryReq.charging_profile": ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
}
"""By request and field. A request that DIN does not use is refused by its order before."""

FACETS: Final = Facets(codes=CODES)
"""No field is free: an EVCCID may have 0 to 8 octets, which takes every car in the field. (Q-32)"""

broken_facet: Final = FACETS.refusal
