"""Each response code with which the station refuses a request of DIN SPEC 70121 alone."""

from __future__ import annotations

from secc.din.messages import EVRequestedEnergyTransferType, ResponseCode
from tests.conformance.din.tester import DinTester
from tests.din_car import START, parameters, precharge
from tests.reasons.drives import ends
from tests.station_scene import Scene


@ends("refused.FAILED_WrongEnergyTransferType")
async def asks_for_ac(scene: Scene) -> None:
    tester = await (await DinTester.connect(scene)).drive("ChargeParameterDiscovery")
    request = parameters(EVRequestedEnergyTransferType.AC_THREE_PHASE_CORE)
    await tester.refused(request, ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE)


@ends("refused.FAILED_EVSEPresentVoltageToLow")
async def asks_for_no_voltage_and_then_for_power(scene: Scene) -> None:
    tester = await (await DinTester.connect(scene)).drive("PreCharge")
    await tester.says(precharge(0.0))
    await tester.refused(START, ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW)
