"""Enumerations of ISO 15118-2: member order is the XSD's (it is the wire value), member values its
literals.
"""

from __future__ import annotations

from enum import StrEnum


class ResponseCode(StrEnum):
    """The code of every response; those from FAILED on end the session [V2G2-736]."""

    OK = "OK"
    OK_NEW_SESSION_ESTABLISHED = "OK_NewSessionEstablished"
    OK_OLD_SESSION_JOINED = "OK_OldSessionJoined"
    OK_CERTIFICATE_EXPIRES_SOON = "OK_CertificateExpiresSoon"
    FAILED = "FAILED"
    FAILED_SEQUENCE_ERROR = "FAILED_SequenceError"
    FAILED_SERVICE_ID_INVALID = "FAILED_ServiceIDInvalid"
    FAILED_UNKNOWN_SESSION = "FAILED_UnknownSession"
    FAILED_SERVICE_SELECTION_INVALID = "FAILED_ServiceSelectionInvalid"
    FAILED_PAYMENT_SELECTION_INVALID = "FAILED_PaymentSelectionInvalid"
    FAILED_CERTIFICATE_EXPIRED = "FAILED_CertificateExpired"
    FAILED_SIGNATURE_ERROR = "FAILED_SignatureError"
    FAILED_NO_CERTIFICATE_AVAILABLE = "FAILED_NoCertificateAvailable"
    FAILED_CERT_CHAIN_ERROR = "FAILED_CertChainError"
    FAILED_CHALLENGE_INVALID = "FAILED_ChallengeInvalid"
    FAILED_CONTRACT_CANCELED = "FAILED_ContractCanceled"
    FAILED_WRONG_CHARGE_PARAMETER = "FAILED_WrongChargeParameter"
    FAILED_POWER_DELIVERY_NOT_APPLIED = "FAILED_PowerDeliveryNotApplied"
    FAILED_TARIFF_SELECTION_INVALID = "FAILED_TariffSelectionInvalid"
    FAILED_CHARGING_PROFILE_INVALID = "FAILED_ChargingProfileInvalid"
    FAILED_METERING_SIGNATURE_NOT_VALID = "FAILED_MeteringSignatureNotValid"
    FAILED_NO_CHARGE_SERVICE_SELECTED = "FAILED_NoChargeServiceSelected"
    FAILED_WRONG_ENERGY_TRANSFER_MODE = "FAILED_WrongEnergyTransferMode"
    FAILED_CONTACTOR_ERROR = "FAILED_ContactorError"
    FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE = "FAILED_CertificateNotAllowedAtThisEVSE"
    FAILED_CERTIFICATE_REVOKED = "FAILED_CertificateRevoked"


class FaultCode(StrEnum):
    """Cause of a Notification in a header. The second spelling is the standard's."""

    PARSING_ERROR = "ParsingError"
    NO_TLS_ROOT_CERTIFICAT_AVAILABLE = "NoTLSRootCertificatAvailable"
    UNKNOWN_ERROR = "UnknownError"


class EVSEProcessing(StrEnum):
    """Whether the station has finished, or the car has to ask again."""

    FINISHED = "Finished"
    ONGOING = "Ongoing"
    ONGOING_WAITING_FOR_CUSTOMER_INTERACTION = "Ongoing_WaitingForCustomerInteraction"


class EVSENotification(StrEnum):
    """What the car is asked to do within NotificationMaxDelay seconds."""

    NONE = "None"
    STOP_CHARGING = "StopCharging"
    RE_NEGOTIATION = "ReNegotiation"


class ChargeProgress(StrEnum):
    """What PowerDeliveryReq asks for."""

    START = "Start"
    STOP = "Stop"
    RENEGOTIATE = "Renegotiate"


class ChargingSession(StrEnum):
    """How SessionStopReq ends the session."""

    TERMINATE = "Terminate"
    PAUSE = "Pause"


class ServiceCategory(StrEnum):
    """Kind of a service."""

    EV_CHARGING = "EVCharging"
    INTERNET = "Internet"
    CONTRACT_CERTIFICATE = "ContractCertificate"
    OTHER_CUSTOM = "OtherCustom"


class EnergyTransferMode(StrEnum):
    """Plug and kind of current."""

    AC_SINGLE_PHASE_CORE = "AC_single_phase_core"
    AC_THREE_PHASE_CORE = "AC_three_phase_core"
    DC_CORE = "DC_core"
    DC_EXTENDED = "DC_extended"
    DC_COMBO_CORE = "DC_combo_core"
    DC_UNIQUE = "DC_unique"


class PaymentOption(StrEnum):
    """Who identifies the customer: the car's contract, or something outside of the car (EIM)."""

    CONTRACT = "Contract"
    EXTERNAL_PAYMENT = "ExternalPayment"


class CostKind(StrEnum):
    """What a Cost counts."""

    RELATIVE_PRICE_PERCENTAGE = "relativePricePercentage"
    RENEWABLE_GENERATION_PERCENTAGE = "RenewableGenerationPercentage"
    CARBON_DIOXIDE_EMISSION = "CarbonDioxideEmission"


class UnitSymbol(StrEnum):
    """Unit of a PhysicalValue: hours, minutes, seconds, amperes, volts, watts, watt hours."""

    H = "h"
    M = "m"
    S = "s"
    A = "A"
    V = "V"
    W = "W"
    WH = "Wh"


class DC_EVSEStatusCode(StrEnum):
    """State of a DC station."""

    EVSE_NOT_READY = "EVSE_NotReady"
    EVSE_READY = "EVSE_Ready"
    EVSE_SHUTDOWN = "EVSE_Shutdown"
    EVSE_UTILITY_INTERRUPT_EVENT = "EVSE_UtilityInterruptEvent"
    EVSE_ISOLATION_MONITORING_ACTIVE = "EVSE_IsolationMonitoringActive"
    EVSE_EMERGENCY_SHUTDOWN = "EVSE_EmergencyShutdown"
    EVSE_MALFUNCTION = "EVSE_Malfunction"
    RESERVED_8 = "Reserved_8"
    RESERVED_9 = "Reserved_9"
    RESERVED_A = "Reserved_A"
    RESERVED_B = "Reserved_B"
    RESERVED_C = "Reserved_C"


class IsolationLevel(StrEnum):
    """Result of the insulation monitor."""

    INVALID = "Invalid"
    VALID = "Valid"
    WARNING = "Warning"
    FAULT = "Fault"
    NO_IMD = "No_IMD"


class DC_EVErrorCode(StrEnum):
    """Error that a DC car reports."""

    NO_ERROR = "NO_ERROR"
    FAILED_RESS_TEMPERATURE_INHIBIT = "FAILED_RESSTemperatureInhibit"
    FAILED_EV_SHIFT_POSITION = "FAILED_EVShiftPosition"
    FAILED_CHARGER_CONNECTOR_LOCK_FAULT = "FAILED_ChargerConnectorLockFault"
    FAILED_EV_RESS_MALFUNCTION = "FAILED_EVRESSMalfunction"
    FAILED_CHARGING_CURRENT_DIFFERENTIAL = "FAILED_ChargingCurrentdifferential"
    FAILED_CHARGING_VOLTAGE_OUT_OF_RANGE = "FAILED_ChargingVoltageOutOfRange"
    RESERVED_A = "Reserved_A"
    RESERVED_B = "Reserved_B"
    RESERVED_C = "Reserved_C"
    FAILED_CHARGING_SYSTEM_INCOMPATIBILITY = "FAILED_ChargingSystemIncompatibility"
    NO_DATA = "NoData"
