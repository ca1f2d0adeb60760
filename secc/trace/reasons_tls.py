"""Meanings of TLS failures: one entry for each ``secc.link.tls.errors.TlsFlaw``."""

from __future__ import annotations

from typing import Final

from secc.trace.meanings import BEFORE, CAR, RETRY, STOPS, meanings

TLS: Final = meanings(
    {
        "tls.required": (
            "The car speaks plain TCP, or something else, where only TLS is served.",
            BEFORE,
            '`tls = "offered"` would serve it, for a card. The sender may be a port scanner.',
        ),
        "tls.plain-required": (
            "The car speaks TLS where the station has no certificate.",
            BEFORE,
            "`secc check` says what is wrong with the keystore.",
        ),
        "tls.hello-rejected": (
            "The car began TLS, but the station could not read its ClientHello.",
            BEFORE,
            "The sender may be a port scanner. If it is a car that charges elsewhere, report it with the detail.",
        ),
        "tls.no-common-version": (
            "The car does not speak TLS 1.2.",
            BEFORE,
            "A car that has only TLS 1.3 wants ISO 15118-20; one that has only TLS 1.1 or older may not be served.",
        ),
        "tls.no-common-suite": (
            "The car offers none of the cipher suites that the station may use.",
            BEFORE,
            "The detail lists both. Some early cars have the static ECDH suite alone, which libssl no longer has.",
        ),
        "tls.no-common-group": (
            "The car does not offer secp256r1, the one curve of ISO 15118-2.",
            BEFORE,
            CAR,
        ),
        "tls.no-common-signature-algorithm": (
            "The car does not accept ECDSA with SHA-256, the one signature of ISO 15118-2.",
            BEFORE,
            CAR,
        ),
        "tls.unknown-ca": (
            "The car refused the station's chain: it does not lead to a root that the car trusts.",
            BEFORE,
            "Compare the root of the station's chain with the roots that the car has named, if it named any. "
            "`secc identity install` installs a chain below another V2G root. A car with a lab root trusts no public chain, and the other way round.",
        ),
        "tls.certificate-expired": (
            "The car refused the station's chain as expired, or not yet valid.",
            BEFORE,
            "`secc check` says how long the station's chain is valid. If it is, the car's clock is wrong, or its copy of the root has expired.",
        ),
        "tls.certificate-rejected": (
            "The car refused the station's chain for another flaw: bad, of a kind that it does not take, revoked, or not allowed.",
            BEFORE,
            "The detail has the alert. `secc check` judges the station's chain as a car would; compare with another car.",
        ),
        "tls.staple-rejected": (
            "The car refused the OCSP response that the station stapled.",
            BEFORE,
            "Fetch a new one (`secc identity requests`, `secc identity staple`). Compare the car's clock with the station's.",
        ),
        "tls.refused-by-car": (
            "The car ended the handshake by an alert that is not about a certificate.",
            BEFORE,
            f"The detail has the alert, and the message before it. {CAR}",
        ),
        "tls.closed-in-hello": (
            "The car closed the connection in the middle of its ClientHello.",
            "The car may try again by itself, or show an error.",
            "The link loses frames, or the sender is not a car.",
        ),
        "tls.closed-after-certificate": (
            "The car closed the connection after it had received the station's certificate chain, without an alert.",
            BEFORE,
            "As a rule the car does not trust the station: compare the root of the station's chain with the roots that the car has named. "
            "A strict car also closes if it asked for the status of the station's certificates (`status_request_v2`) and got none "
            "(`trust.danger_status_request_v2`, docs/trust.md).",
        ),
        "tls.closed-in-handshake": (
            "The car closed the connection in the middle of the handshake.",
            "The car may try again by itself, or show an error.",
            "The detail says after which message. After its own key exchange it had accepted the station's chain: look at the link, then at the car.",
        ),
        "tls.handshake-failed": (
            "The car sent something that has no place in the handshake, or that does not verify.",
            BEFORE,
            f"The detail says after which message, and libssl's error. {CAR}",
        ),
        "tls.too-much": (
            "The car sent more octets than any handshake takes.",
            BEFORE,
            "The sender is not a car, or the car is defective.",
        ),
        "tls.broken": (
            "After the handshake a TLS record came that does not decrypt, or that has no place there.",
            RETRY,
            "The link corrupts frames, a device tampers with them, or the car's record counter is wrong. "
            "If it repeats with one model of car, report it.",
        ),
        "tls.alert": (
            "The car ended TLS by an alert in the middle of the session.",
            STOPS,
            f"The detail has the alert. {CAR}",
        ),
        "tls.not-read": (
            "The car does not read what the station sends.",
            STOPS,
            "The link is lost in one direction, or the sender is not a car.",
        ),
        "tls.station-failed": (
            "The station could not do its part of the handshake: its key did not sign, it had no thread for it, "
            "or libssl did not write what `status_request_v2` needs.",
            BEFORE,
            "The log says what failed. If the key is in a chip or a token, is it there (`secc check`)? Otherwise report it.",
        ),
    }
)
