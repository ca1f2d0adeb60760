"""Element and attribute names of the ISO 15118-2 schema set (MsgDef, MsgHeader, MsgBody,
MsgDataTypes and xmldsig).

Event codes of roots and fragments count all of them, those too that V2G never sends, so they are
listed, not derived. Source: the XSD files of ISO 15118-2:2014; a test compares.
"""

from __future__ import annotations

from typing import Final

from secc.exi import xmldsig
from secc.exi.fragments import Vocabulary

_GLOBALS: Final = """
    AC_EVChargeParameter AC_EVSEChargeParameter AC_EVSEStatus AuthorizationReq AuthorizationRes BodyElement
    CableCheckReq CableCheckRes CertificateInstallationReq CertificateInstallationRes CertificateUpdateReq
    CertificateUpdateRes ChargeParameterDiscoveryReq ChargeParameterDiscoveryRes ChargingStatusReq ChargingStatusRes
    CurrentDemandReq CurrentDemandRes DC_EVChargeParameter DC_EVPowerDeliveryParameter DC_EVSEChargeParameter
    DC_EVSEStatus DC_EVStatus EVChargeParameter EVPowerDeliveryParameter EVSEChargeParameter EVSEStatus EVStatus
    Entry MeteringReceiptReq MeteringReceiptRes PMaxScheduleEntry PaymentDetailsReq PaymentDetailsRes
    PaymentServiceSelectionReq PaymentServiceSelectionRes PowerDeliveryReq PowerDeliveryRes PreChargeReq
    PreChargeRes RelativeTimeInterval SAScheduleList SASchedules SalesTariffEntry ServiceDetailReq ServiceDetailRes
    ServiceDiscoveryReq ServiceDiscoveryRes SessionSetupReq SessionSetupRes SessionStopReq SessionStopRes
    TimeInterval V2G_Message WeldingDetectionReq WeldingDetectionRes
"""

# A name that two of the four namespaces declare is listed twice.
_LOCALS: Final = """
    AC_EVSEStatus Body BulkChargingComplete BulkChargingComplete BulkSOC Certificate ChargeProgress ChargeService
    ChargingComplete ChargingComplete ChargingProfile ChargingProfileEntryMaxNumberOfPhasesInUse
    ChargingProfileEntryMaxPower ChargingProfileEntryStart ChargingSession ConsumptionCost
    ContractSignatureCertChain ContractSignatureEncryptedPrivateKey Cost DC_EVSEStatus DC_EVStatus DHpublickey
    DepartureTime EAmount EPriceLevel EVCCID EVEnergyCapacity EVEnergyRequest EVErrorCode EVMaxCurrent EVMaxVoltage
    EVMaximumCurrentLimit EVMaximumCurrentLimit EVMaximumPowerLimit EVMaximumPowerLimit EVMaximumVoltageLimit
    EVMaximumVoltageLimit EVMinCurrent EVRESSSOC EVReady EVSECurrentLimitAchieved EVSECurrentRegulationTolerance
    EVSEEnergyToBeDelivered EVSEID EVSEIsolationStatus EVSEMaxCurrent EVSEMaxCurrent EVSEMaximumCurrentLimit
    EVSEMaximumCurrentLimit EVSEMaximumPowerLimit EVSEMaximumPowerLimit EVSEMaximumVoltageLimit
    EVSEMaximumVoltageLimit EVSEMinimumCurrentLimit EVSEMinimumVoltageLimit EVSENominalVoltage EVSENotification
    EVSEPeakCurrentRipple EVSEPowerLimitAchieved EVSEPresentCurrent EVSEPresentVoltage EVSEProcessing EVSEStatusCode
    EVSETimeStamp EVSEVoltageLimitAchieved EVTargetCurrent EVTargetVoltage EnergyTransferMode FaultCode FaultMsg
    FreeService FullSOC GenChallenge Header ListOfRootCertificateIDs MaxEntriesSAScheduleTuple MeterID MeterInfo
    MeterReading MeterStatus Multiplier Notification NotificationMaxDelay NumEPriceLevels OEMProvisioningCert PMax
    PMaxSchedule Parameter ParameterSet ParameterSetID PaymentOption PaymentOptionList ProfileEntry RCD
    ReceiptRequired RemainingTimeToBulkSoC RemainingTimeToFullSoC RequestedEnergyTransferMode ResponseCode
    RetryCounter RootCertificateID SAProvisioningCertificateChain SAScheduleTuple SAScheduleTupleID
    SAScheduleTupleID SalesTariff SalesTariffDescription SalesTariffID SelectedPaymentOption SelectedService
    SelectedServiceList Service ServiceCategory ServiceCategory ServiceID ServiceID ServiceList ServiceName
    ServiceParameterList ServiceScope ServiceScope SessionID SessionID SigMeterReading SubCertificates
    SupportedEnergyTransferMode TMeter Unit Value amount amountMultiplier boolValue byteValue costKind duration
    eMAID intValue physicalValue shortValue start startValue stringValue
"""

GLOBALS: Final = tuple(sorted([*_GLOBALS.split(), *xmldsig.GLOBALS]))
"""Local names of all global elements, in the order of the document's root codes."""

_ATTRIBUTES: Final = ("Algorithm", "Encoding", "Id", "Id", "Id", "MimeType", "Name", "Target", "Type", "URI")
# Id of xmldsig, of MsgBody, of MsgDataTypes: the last is the eMAID's.
_ID_OF_DATA_TYPES: Final = 4

VOCABULARY: Final = Vocabulary(
    tuple(sorted([*_GLOBALS.split(), *_LOCALS.split(), *xmldsig.GLOBALS, *xmldsig.LOCALS])),
    _ATTRIBUTES,
    _ID_OF_DATA_TYPES,
)
"""What the fragment grammar counts."""
