"""Element names of the DIN schema set (MsgDef, MsgHeader, MsgBody, MsgDataTypes and xmldsig).

Event codes of roots and fragments count all of them, those too that V2G never sends, so they are
listed, not derived. Source: the XSD files of DIN SPEC 70121; a test compares.
"""

from __future__ import annotations

from typing import Final

from secc.exi import xmldsig
from secc.exi.fragments import Vocabulary

_GLOBALS: Final = """
    AC_EVChargeParameter AC_EVSEChargeParameter AC_EVSEStatus BodyElement CableCheckReq CableCheckRes CertificateInstallationReq
    CertificateInstallationRes CertificateUpdateReq CertificateUpdateRes ChargeParameterDiscoveryReq ChargeParameterDiscoveryRes ChargingStatusReq
    ChargingStatusRes ContractAuthenticationReq ContractAuthenticationRes CurrentDemandReq CurrentDemandRes DC_EVChargeParameter
    DC_EVPowerDeliveryParameter DC_EVSEChargeParameter DC_EVSEStatus DC_EVStatus EVChargeParameter EVPowerDeliveryParameter EVSEChargeParameter
    EVSEStatus EVStatus Entry MeteringReceiptReq MeteringReceiptRes PMaxScheduleEntry PaymentDetailsReq PaymentDetailsRes PowerDeliveryReq
    PowerDeliveryRes PreChargeReq PreChargeRes RelativeTimeInterval SAScheduleList SASchedules SalesTariffEntry ServiceCharge ServiceDetailReq
    ServiceDetailRes ServiceDiscoveryReq ServiceDiscoveryRes ServicePaymentSelectionReq ServicePaymentSelectionRes SessionSetupReq SessionSetupRes
    SessionStopReq SessionStopRes TimeInterval V2G_Message WeldingDetectionReq WeldingDetectionRes
"""

# A name that two of the four namespaces declare is listed twice.
_LOCALS: Final = """
    AC_EVSEStatus Body BulkChargingComplete BulkChargingComplete BulkSOC Certificate ChargeService ChargingComplete ChargingComplete ChargingProfile
    ChargingProfileEntryMaxPower ChargingProfileEntryStart ConsumptionCost ContractID ContractSignatureCertChain
    ContractSignatureEncryptedPrivateKey Cost DC_EVSEStatus DC_EVStatus DHParams DateTimeNow DepartureTime EAmount EPriceLevel EVCCID
    EVCabinConditioning EVEnergyCapacity EVEnergyRequest EVErrorCode EVMaxCurrent EVMaxVoltage EVMaximumCurrentLimit EVMaximumCurrentLimit
    EVMaximumPowerLimit EVMaximumPowerLimit EVMaximumVoltageLimit EVMaximumVoltageLimit EVMinCurrent EVRESSConditioning EVRESSSOC EVReady
    EVRequestedEnergyTransferType EVSECurrentLimitAchieved EVSECurrentRegulationTolerance EVSEEnergyToBeDelivered EVSEID EVSEIsolationStatus
    EVSEMaxCurrent EVSEMaxCurrent EVSEMaxVoltage EVSEMaximumCurrentLimit EVSEMaximumCurrentLimit EVSEMaximumPowerLimit EVSEMaximumPowerLimit
    EVSEMaximumVoltageLimit EVSEMaximumVoltageLimit EVSEMinCurrent EVSEMinimumCurrentLimit EVSEMinimumVoltageLimit EVSENotification
    EVSEPeakCurrentRipple EVSEPowerLimitAchieved EVSEPresentCurrent EVSEPresentVoltage EVSEProcessing EVSEStatusCode EVSEVoltageLimitAchieved
    EVTargetCurrent EVTargetVoltage EnergyTransferType FaultCode FaultMsg FreeService FullSOC GenChallenge Header ListOfRootCertificateIDs MeterID
    MeterInfo MeterReading MeterStatus Multiplier Notification NotificationMaxDelay NumEPriceLevels OEMProvisioningCert PMax PMaxSchedule
    PMaxScheduleID Parameter ParameterSet ParameterSetID PaymentOption PaymentOptions PowerSwitchClosed ProfileEntry RCD ReadyToChargeState
    ReceiptRequired RemainingTimeToBulkSoC RemainingTimeToFullSoC ResponseCode RetryCounter RootCertificateID SAScheduleTuple SAScheduleTupleID
    SAScheduleTupleID SalesTariff SalesTariffDescription SalesTariffID SelectedPaymentOption SelectedService SelectedServiceList Service
    ServiceCategory ServiceCategory ServiceID ServiceID ServiceList ServiceName ServiceParameterList ServiceScope ServiceScope ServiceTag SessionID
    SessionID SigMeterReading SubCertificates TMeter Unit Value amount amountMultiplier boolValue byteValue costKind duration intValue physicalValue
    shortValue start startValue stringValue
"""

GLOBALS: Final = tuple(sorted([*_GLOBALS.split(), *xmldsig.GLOBALS]))
"""Local names of all global elements, in the order of the document's root codes."""

VOCABULARY: Final = Vocabulary(tuple(sorted([*_GLOBALS.split(), *_LOCALS.split(), *xmldsig.GLOBALS, *xmldsig.LOCALS])))
"""What the fragment grammar counts. No element with an Id has several types, so it counts no attributes."""
