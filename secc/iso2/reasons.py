"""Meanings of the end reasons of ISO 15118-2: response codes, timers, orderly ends."""

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
    Meaning(
        "completed.stopped-early",
        "The car ended the session by SessionStop out of its order: before charging began, or from the charging loop without PowerDelivery(Stop).",
        "Charging has finished, or did not begin. Some cars come back at once with a new session.",
        "Nothing, if the driver or the car wanted it. If no energy flowed and the car does not come back, look at the station's last answer.",
    ),
    Meaning(
        "refused.FAILED",
        "The station could not serve the car's request; no other code describes why.",
        RETRY,
        "The detail says why. With a pilot in B: the car has to close S2 before CableCheck, and the board has to measure it. "
        "Otherwise look at the last messages in the trace, and compare with another car.",
    ),
    Meaning(
        "refused.FAILED_SequenceError",
        "The car sent a message that is not allowed at this place of the sequence, or a second one before it had its answer.",
        RETRY,
        "The detail names the message, the trace what was expected. If a car that works elsewhere does it, look for a field quirk.",
    ),
    Meaning("refused.FAILED_ServiceIDInvalid", "The car asked for a service that was not offered.", RETRY, CAR),
    Meaning(
        "refused.FAILED_UnknownSession",
        "A message carried the SessionID of another session.",
        RETRY,
        f"{CAR} If it repeats, a device may be trying to enter another car's session.",
    ),
    Meaning(
        "refused.FAILED_ServiceSelectionInvalid",
        "The car chose a service that was not offered, or twice the same.",
        RETRY,
        CAR,
    ),
    Meaning(
        "refused.FAILED_PaymentSelectionInvalid",
        "The car chose a way of payment that was not offered.",
        BEFORE,
        "Contract is offered on TLS only, after a failed contract once more only, and not when a card was shown first.",
    ),
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
        "refused.FAILED_WrongChargeParameter",
        "The car's charge parameters are missing, outside of what is possible, or do not fit its energy transfer mode.",
        RETRY,
        CAR,
    ),
    Meaning(
        "refused.FAILED_PowerDeliveryNotApplied",
        "The station could not switch power on, or off, as the car asked.",
        RETRY,
        "The detail says what was in the way: the contactor, the supply, the pilot, the interlock. `secc status` names active faults.",
    ),
    Meaning("refused.FAILED_TariffSelectionInvalid", "The car chose a schedule that was not offered.", RETRY, CAR),
    Meaning(
        "refused.FAILED_ChargingProfileInvalid",
        "The car's charging profile asks for more than the schedule allows, or reaches beyond it.",
        RETRY,
        'Some cars do that always: `lab.tolerate = ["Q-45"]` accepts it; the station then limits the power itself.',
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
    Meaning(
        "timer.V2G_SECC_Ongoing_Performance_Time",
        "The backend did not decide within 55 s whether the contract may charge, or there was no power to offer for as long.",
        BEFORE,
        "The last message says which of the two: the backend is slow or silent (`secc status`), or a limit of 0 W lasted for a minute. "
        "The time runs from the car's first request; a car that polls too slowly to hear the result is cut off, too.",
    ),
    Meaning(
        "timer.EIM_Authorization_Limit",
        "No card or app was accepted in the time that the operator gives the driver.",
        "Charging does not begin. The driver plugs in again and shows a card that is known here.",
        "If cards were shown: were they refused? The log says so. `timing.eim_seconds` is the time.",
    ),
    Meaning(
        "timer.V2G_SECC_CableCheck_Performance_Time",
        "The insulation test did not end in 38 s; the car gives up after 40 s.",
        RETRY,
        "Insulation monitor, its self-test, or the supply is slow. The trace shows the step.",
    ),
    Meaning(
        "timer.V2G_SECC_PreCharge_Limit",
        "The voltages of car and station did not meet in time.",
        RETRY,
        "Compare the target in the requests with the measured voltage: does the supply follow, is the contactor closed, is the meter right?",
    ),
    Meaning(
        "timer.V2G_SECC_WeldingDetection_Limit",
        "The car went on testing its contactors for welding for longer than a minute.",
        STOPS,
        "Does the output discharge? Most cars accept less than 60 V.",
    ),
    Meaning(
        "timer.NotificationMaxDelay",
        "The car was told to stop, by StopCharging, and had not done so within the announced 10 s, so the station switched off.",
        STOPS,
        "The log says what asked for the end (stop button, `secc control stop`, a shutdown). Note the type of a car that does not obey.",
    ),
)
