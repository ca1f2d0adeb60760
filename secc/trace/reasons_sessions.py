"""Meanings of the end reasons that several protocols have: response codes, timers, orderly ends."""

from __future__ import annotations

from typing import Final

from secc.trace.meanings import BEFORE, CAR, RETRY, STOPS, Meaning

SESSIONS: Final[tuple[Meaning, ...]] = (
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
