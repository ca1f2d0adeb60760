"""Meanings of the end reasons that ISO 15118-2 has alone."""

from __future__ import annotations

from typing import Final

from secc.trace.meanings import BEFORE, CAR, RETRY, STOPS, Meaning

REASONS: Final[tuple[Meaning, ...]] = (
    Meaning(
        "completed.pause",
        "The car paused: power is off, and it may go on later, in the same transaction.",
        "Charging goes on when the car or the station wakes the other, without another card.",
        "Nothing. The transaction ends with the next session of this plug-in that does not pause, or when the plug is pulled.",
    ),
    Meaning("refused.FAILED_ServiceIDInvalid", "The car asked for a service that was not offered.", RETRY, CAR),
    Meaning(
        "refused.FAILED_CertificateExpired",
        "The contract certificate, or one above it, is not valid today.",
        BEFORE + " The contract has to be renewed in the car.",
        "Check the station's clock first (`secc check`). Then the driver's mobility operator has to act.",
    ),
    Meaning(
        "refused.FAILED_SignatureError",
        "A signature of the car is missing or wrong.",
        BEFORE,
        "The flaw in the detail says what is wrong. A car without the contract's private key cannot sign correctly; if every car fails, report it.",
    ),
    Meaning(
        "refused.FAILED_NoCertificateAvailable",
        "The root above the contract is not installed here, or the provisioning service has no contract for the car.",
        BEFORE,
        "Install the mobility operator's root (`secc check` lists what is installed), if this operator's customers may charge here.",
    ),
    Meaning(
        "refused.FAILED_CertChainError",
        "The contract's certificate chain is not good, or does not belong to the EMAID that the car claims.",
        BEFORE,
        "The certificate flaw says what is wrong. The mobility operator, or the provisioner of the car, has to act.",
    ),
    Meaning(
        "refused.FAILED_ChallengeInvalid",
        "The car did not repeat the challenge that it was given.",
        BEFORE,
        f"{CAR} If it repeats, a device may be replaying a recorded session.",
    ),
    Meaning(
        "refused.FAILED_ContractCanceled",
        "The contract is good, but its operator has ended it; or the provisioning service said so of the one to be renewed.",
        BEFORE + " The driver has to talk to the mobility operator.",
        "Nothing on the station. If the contract was renewed, take its entry out of the denylist.",
    ),
    Meaning(
        "refused.FAILED_MeteringSignatureNotValid",
        "The car's metering receipt is not signed by its contract, or not of the reading that it was told last.",
        STOPS,
        "The detail says which of the two. The receipt is not booked; what was delivered is, as ever. A car that fails each time cannot "
        "charge where receipts are demanded: note its type, and look at `RequestMeteringReceipt`.",
    ),
    Meaning("refused.FAILED_NoChargeServiceSelected", "The car selected no charge service.", RETRY, CAR),
    Meaning(
        "refused.FAILED_WrongEnergyTransferMode",
        "The car asks for AC where there is DC, other phases, or another mode than it began with.",
        RETRY,
        "Compare `transfers` of the outlet with the cable. If they agree, the car is wrong.",
    ),
    Meaning(
        "refused.FAILED_ContactorError",
        "The contactor did not close or open as it should.",
        RETRY,
        "Check contactor and feedback. If it is welded, the outlet must not be used.",
    ),
    Meaning(
        "refused.FAILED_CertificateNotAllowedAtThisEVSE",
        "The contract is good, but may not charge at this place or time.",
        BEFORE,
        "Nothing on the station, unless its lists are wrong.",
    ),
    Meaning(
        "refused.FAILED_CertificateRevoked",
        "A certificate of the contract's chain is revoked.",
        BEFORE + " The contract has to be renewed in the car.",
        "Nothing on the station. It is remembered, also when the station is offline.",
    ),
)
