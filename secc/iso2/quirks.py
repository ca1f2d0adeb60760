"""Field quirks of cars in ISO 15118-2 alone, and what this station does about each."""

from __future__ import annotations

from typing import Final

from secc.trace.quirks import Quirk, When

_STRICT, _ASKED = When.UNLESS_STRICT, When.ON_REQUEST

QUIRKS: Final[tuple[Quirk, ...]] = (
    Quirk(
        "Q-27", "Sign AuthorizationReq although they pay externally.", "The signature is not checked.", remarked=True
    ),
    Quirk(
        "Q-35",
        "Leave when they see services that they cannot use.",
        "Only charging is offered, certificates where they can be had, and what the operator has set up.",
    ),
    Quirk("Q-36", "Cannot send ServiceDetailReq.", "The station does not require it."),
    Quirk(
        "Q-39",
        "Poll Authorization once more after it was finished.",
        "One such request is answered, Finished.",
        _ASKED,
        remarked=True,
    ),
    Quirk("Q-48", "Send DepartureTime 0.", "It counts as not given.", remarked=True),
    Quirk(
        "Q-60",
        "Leave out CableCheck and PreCharge after a DC renegotiation.",
        "Accepted while their battery is at the output, under the insulation monitor.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-66",
        "Ignore ReceiptRequired and send the next message of the charging loop.",
        "The loop goes on, and a receipt is demanded again when the next one is due. Without it they are refused, because receipts are money.",
        _ASKED,
        remarked=True,
    ),
    Quirk(
        "Q-67",
        "Are damaged when the number of phases changes while they charge.",
        "The energy transfer mode of the first ChargeParameterDiscovery stays until the session ends.",
    ),
    Quirk(
        "Q-70",
        "Have codecs with shorter lists than the schema.",
        "Services, parameter sets and parameters are sent within them; what a car sends may fill the schema.",
    ),
    Quirk(
        "Q-74",
        "Select ParameterSetID 0, or a set of the charge service, which has none.",
        "That of the charge service is accepted; any other set that is not on offer is refused, always.",
        _STRICT,
        remarked=True,
    ),
    Quirk(
        "Q-78", "Write the EMAID with hyphens or in lower case.", "Compared without hyphens and case.", remarked=True
    ),
    Quirk(
        "Q-80",
        "Sign every poll of Authorization.",
        "Only the first signature is checked, and it must be valid.",
        remarked=True,
    ),
)
