"""Types that messages of ISO 15118-20 share, declared for tests of the codec; tests.exi_iso20 has the messages."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from frozen import dataclass
from secc.exi import Message
from secc.exi.declarations import (
    Attribute,
    Base64,
    Byte,
    Hex,
    Identifier,
    Named,
    Occurs,
    Short,
    Text,
    UnsignedByte,
    UnsignedInt,
    UnsignedLong,
    UnsignedShort,
)
from secc.exi.xmldsig import Signature

Id = Annotated[str, Identifier(), Attribute(), Named("Id")]
SessionId = Annotated[bytes, Hex(8, shortest=8)]
NumericId = Annotated[int, UnsignedInt(1)]
Percent = Annotated[int, Byte(0, 100)]
Seconds = Annotated[int, UnsignedInt()]
TimeStamp = Annotated[int, UnsignedLong()]
Energy = Annotated[int, UnsignedLong()]
Name = Annotated[str, Text(80)]
Description = Annotated[str, Text(160)]
Identifier255 = Annotated[str, Text(255)]
ThreeLetters = Annotated[str, Text(3)]

_RESPONSE_CODES = """
    OK OK_CertificateExpiresSoon OK_NewSessionEstablished OK_OldSessionJoined OK_PowerToleranceConfirmed
    WARNING_AuthorizationSelectionInvalid WARNING_CertificateExpired WARNING_CertificateNotYetValid
    WARNING_CertificateRevoked WARNING_CertificateValidationError WARNING_ChallengeInvalid
    WARNING_EIMAuthorizationFailure WARNING_eMSPUnknown WARNING_EVPowerProfileViolation
    WARNING_GeneralPnCAuthorizationError WARNING_NoCertificateAvailable WARNING_NoContractMatchingPCIDFound
    WARNING_PowerToleranceNotConfirmed WARNING_ScheduleRenegotiationFailed WARNING_StandbyNotAllowed WARNING_WPT
    FAILED FAILED_AssociationError FAILED_ContactorError FAILED_EVPowerProfileInvalid FAILED_EVPowerProfileViolation
    FAILED_MeteringSignatureNotValid FAILED_NoEnergyTransferServiceSelected FAILED_NoServiceRenegotiationSupported
    FAILED_PauseNotAllowed FAILED_PowerDeliveryNotApplied FAILED_PowerToleranceNotConfirmed
    FAILED_ScheduleRenegotiation FAILED_ScheduleSelectionInvalid FAILED_SequenceError FAILED_ServiceIDInvalid
    FAILED_ServiceSelectionInvalid FAILED_SignatureError FAILED_UnknownSession FAILED_WrongChargeParameter
"""

ResponseCode = StrEnum("ResponseCode", [(code, code) for code in _RESPONSE_CODES.split()])


class Processing(StrEnum):
    FINISHED = "Finished"
    ONGOING = "Ongoing"
    ONGOING_WAITING_FOR_CUSTOMER_INTERACTION = "Ongoing_WaitingForCustomerInteraction"


# --- messages and quantities ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    session_id: SessionId
    time_stamp: TimeStamp
    signature: Signature | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class V2GRequest(Message):
    header: MessageHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class V2GResponse(Message):
    header: MessageHeader
    response_code: ResponseCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RationalNumber:
    exponent: Annotated[int, Byte()]
    value: Annotated[int, Short()]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedCost:
    amount: RationalNumber
    cost_per_unit: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedTax:
    tax_rule_id: NumericId
    amount: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    time_anchor: TimeStamp
    energy_costs: DetailedCost | None = None
    occupancy_costs: DetailedCost | None = None
    additional_services_costs: DetailedCost | None = None
    overstay_costs: DetailedCost | None = None
    tax_costs: Annotated[tuple[DetailedTax, ...], Occurs(0, 10)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    meter_id: Annotated[str, Text(32)]
    charged_energy_reading_wh: Energy
    discharged_energy_reading_wh: Annotated[Energy | None, Named("BPT_DischargedEnergyReadingWh")] = None
    capacitive_energy_reading_varh: Annotated[Energy | None, Named("CapacitiveEnergyReadingVARh")] = None
    inductive_energy_reading_varh: Annotated[Energy | None, Named("BPT_InductiveEnergyReadingVARh")] = None
    meter_signature: Annotated[bytes | None, Base64(64)] = None
    meter_status: Annotated[int | None, Short()] = None
    meter_timestamp: TimeStamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayParameters:
    present_soc: Percent | None = None
    minimum_soc: Percent | None = None
    target_soc: Percent | None = None
    maximum_soc: Percent | None = None
    remaining_time_to_minimum_soc: Seconds | None = None
    remaining_time_to_target_soc: Seconds | None = None
    remaining_time_to_maximum_soc: Seconds | None = None
    charging_complete: bool | None = None
    battery_energy_capacity: RationalNumber | None = None
    inlet_hot: bool | None = None


# --- prices -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerScheduleEntry:
    duration: Seconds
    power: RationalNumber
    power_l2: Annotated[RationalNumber | None, Named("Power_L2")] = None
    power_l3: Annotated[RationalNumber | None, Named("Power_L3")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerScheduleEntryList:
    power_schedule_entry: Annotated[tuple[PowerScheduleEntry, ...], Occurs(1, 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSchedule:
    time_anchor: TimeStamp
    available_energy: RationalNumber | None = None
    power_tolerance: RationalNumber | None = None
    power_schedule_entries: PowerScheduleEntryList


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSchedule:
    id: Id | None = None
    time_anchor: TimeStamp
    price_schedule_id: NumericId
    price_schedule_description: Description | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLevelScheduleEntry:
    duration: Seconds
    price_level: Annotated[int, UnsignedByte()]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLevelScheduleEntryList:
    price_level_schedule_entry: Annotated[tuple[PriceLevelScheduleEntry, ...], Occurs(1, 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLevelSchedule(PriceSchedule):
    number_of_price_levels: Annotated[int, UnsignedByte()]
    price_level_schedule_entries: PriceLevelScheduleEntryList


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRule:
    tax_rule_id: NumericId
    tax_rule_name: Name | None = None
    tax_rate: RationalNumber
    tax_included_in_price: bool | None = None
    applies_to_energy_fee: bool
    applies_to_parking_fee: bool
    applies_to_overstay_fee: bool
    applies_minimum_maximum_cost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRuleList:
    tax_rule: Annotated[tuple[TaxRule, ...], Occurs(1, 10)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    energy_fee: RationalNumber
    parking_fee: RationalNumber | None = None
    parking_fee_period: Seconds | None = None
    carbon_dioxide_emission: Annotated[int | None, UnsignedShort()] = None
    renewable_generation_percentage: Annotated[int | None, UnsignedByte()] = None
    power_range_start: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRuleStack:
    duration: Seconds
    price_rule: Annotated[tuple[PriceRule, ...], Occurs(1, 8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRuleStackList:
    price_rule_stack: Annotated[tuple[PriceRuleStack, ...], Occurs(1, 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverstayRule:
    overstay_rule_description: Description | None = None
    start_time: Seconds
    overstay_fee: RationalNumber
    overstay_fee_period: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OverstayRuleList:
    overstay_time_threshold: Seconds | None = None
    overstay_power_threshold: RationalNumber | None = None
    overstay_rule: Annotated[tuple[OverstayRule, ...], Occurs(1, 5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalService:
    service_name: Name
    service_fee: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionalServiceList:
    additional_service: Annotated[tuple[AdditionalService, ...], Occurs(1, 5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsolutePriceSchedule(PriceSchedule):
    currency: ThreeLetters
    language: ThreeLetters
    price_algorithm: Identifier255
    minimum_cost: RationalNumber | None = None
    maximum_cost: RationalNumber | None = None
    tax_rules: TaxRuleList | None = None
    price_rule_stacks: PriceRuleStackList
    overstay_rules: OverstayRuleList | None = None
    additional_selected_services: AdditionalServiceList | None = None
