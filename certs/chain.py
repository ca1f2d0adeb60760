"""Path validation for V2G chains.

General validators do not fit these chains: they require subjectAltName or key identifiers, which
V2G certificates do not have, and they accept leaves that are CAs, keys on other curves and chains
of any length (docs/decisions/path-validation.md). This module checks RFC 5280 section 6 as far as
V2G uses it (it refuses a chain with name or policy constraints), and a
:class:`~certs.profile.Profile`.

**Calendar.** A charger boots without one. With ``clock_trusted`` the moment ``at`` is the time. Without it ``at`` is only
a floor: the newest moment that has certainly passed (build date, last time seen). A certificate may then have expired
since, so chains are refused with ``clock-untrusted`` unless the caller passes ``floor_suffices``. Even then a certificate
that had expired by the floor is refused, and the whole chain has to be valid at one moment at or after the floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import partial
from itertools import pairwise

from cryptography import x509

from certs.certificates import Certificate, parse_certificate
from certs.countries import is_country
from certs.errors import ChainRejected, Flaw, Outcome
from certs.files import paced
from certs.profile import (
    ANY_EXTENDED_KEY_USAGE,
    CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_KINDS,
    KNOWN_CRITICAL,
    MAX_CERTIFICATES,
    ROLE_MARKERS,
    SIGNATURE_ALGORITHMS,
    Profile,
    Role,
)
from certs.revocation import CertificateHashData, certificate_hash_data
from frozen import dataclass


@dataclasses.dataclass(frozen=True, slots=True)
class Anchors:
    """Installed roots of one edition by role, with an index by name, so that the time of a search
    does not depend on their number.
    """

    v2g: tuple[Certificate, ...] = ()
    mo: tuple[Certificate, ...] = ()
    oem: tuple[Certificate, ...] = ()
    _named: Mapping[tuple[Role, x509.Name], list[Certificate]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[tuple[Role, x509.Name], list[Certificate]] = {}
        for role, roots in ((Role.V2G, self.v2g), (Role.MO, self.mo), (Role.OEM, self.oem)):
            for root in paced(roots):
                named.setdefault((role, root.subject), []).append(root)
        object.__setattr__(self, "_named", named)

    def issuers(self, role: Role, child: Certificate) -> list[Certificate]:
        """Returns the roots of this role that ``child`` names as its issuer, in the order of their
        installation.
        """
        return [root for root in self._named.get((role, child.issuer), ()) if child.names_as_issuer(root)]


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A leaf, its sub-CAs in order upwards, and the root above them.

    ``anchor`` is None if the chain is consistent but its root is not installed;
    :func:`verify_chain` returns such a chain only with ``unanchored_allowed``.
    """

    leaf: Certificate
    sub_cas: tuple[Certificate, ...]
    anchor: Certificate | None
    dates_proven: bool
    """Whether the dates were checked with a trusted clock."""

    @property
    def outcome(self) -> Outcome:
        return Outcome.NO_ROOT if self.anchor is None else Outcome.VALID

    def hash_data(self) -> tuple[CertificateHashData, ...]:
        """Returns the hash data, leaf first. The topmost certificate of an unanchored chain is left
        out: its issuer's key is unknown.
        """
        path = [self.leaf, *self.sub_cas, *([self.anchor] if self.anchor else [])]
        return tuple(certificate_hash_data(child, issuer) for child, issuer in pairwise(path))


def verify_chain(
    chain: Sequence[bytes],
    profile: Profile,
    anchors: Anchors,
    at: datetime,
    *,
    unanchored_allowed: bool = False,
    clock_trusted: bool = True,
    floor_suffices: bool = False,
) -> VerifiedChain:
    """Returns a path from ``chain[0]`` to one of the profile's roots. Raises
    :class:`ChainRejected`. ``at`` has a time zone.

    The other certificates may be in any order, and contain duplicates and the root itself (Q-25);
    only installed roots count. Of several failing paths the flaw nearest to a root is reported. The
    cost is bounded by the number of certificates (5) and of roots of the same name.
    """
    if not clock_trusted and not floor_suffices:
        raise ChainRejected(Flaw.CLOCK_UNTRUSTED, "calendar")
    if not chain:
        raise ChainRejected(Flaw.NO_CERTIFICATE, "chain")
    if len(chain) > MAX_CERTIFICATES:
        raise ChainRejected(Flaw.TOO_MANY_CERTIFICATES, "chain", f"{len(chain)} certificates")
    leaf = parse_certificate(chain[0], profile.edition, "leaf")
    others = [parse_certificate(der, profile.edition, f"sub-CA {n}") for n, der in enumerate(chain[1:], 1)]
    search = _Search(profile, anchors, others, at, clock_trusted)
    search.check_leaf(leaf)
    found = search.climb(leaf, ())
    if found is None:
        flaw, subject, hanging = search.verdict()
        if flaw is not Flaw.NO_TRUST_ANCHOR or not unanchored_allowed:
            raise ChainRejected(flaw, subject)
        found = hanging, None
    sub_cas, anchor = found
    if not clock_trusted:
        _require_common_moment([leaf, *sub_cas, *([anchor] if anchor else [])], at)
    return VerifiedChain(leaf, sub_cas, anchor, dates_proven=clock_trusted)


_Found = tuple[tuple[Certificate, ...], Certificate | None]


class _Search:
    """Depth-first search for a path upwards, which records why paths failed."""

    def __init__(
        self, profile: Profile, anchors: Anchors, others: Sequence[Certificate], at: datetime, clock_trusted: bool
    ) -> None:
        self._profile = profile
        self._anchors = anchors
        # The chain may contain its root or another one; only installed roots count, so self-issued
        # ones are dropped.
        self._others = [
            c for n, c in enumerate(others) if not c.is_self_issued and c.der not in {o.der for o in others[:n]}
        ]
        self._at = at
        self._clock_trusted = clock_trusted
        self._flaws: list[tuple[int, Flaw, str]] = []
        self._hanging: tuple[Certificate, ...] = ()
        self._signed_by: dict[tuple[bytes, bytes], bool] = {}

    def verdict(self) -> tuple[Flaw, str, tuple[Certificate, ...]]:
        """Returns the flaw of the path that came nearest to a root, and the sub-CAs of a path whose
        root is not installed.
        """
        # Any other flaw precedes a missing root: only a chain without other flaws may be validated
        # centrally.
        sound = all(flaw is Flaw.NO_TRUST_ANCHOR for _, flaw, _ in self._flaws)
        candidates = self._flaws if sound else [f for f in self._flaws if f[1] is not Flaw.NO_TRUST_ANCHOR]
        _, flaw, subject = max(candidates, key=lambda f: f[0])
        return flaw, subject, self._hanging

    def check_leaf(self, leaf: Certificate) -> None:
        profile = self._profile
        self._check_form(leaf, "leaf")
        if leaf.is_ca:
            raise ChainRejected(Flaw.LEAF_IS_CA, "leaf")
        if leaf.is_self_issued:
            raise ChainRejected(Flaw.SELF_SIGNED, "leaf")
        # Before the profile: of all flaws of a leaf, its owner can repair an expired one.
        # [V2G2-824]
        self._check_dates(leaf, "leaf", Flaw.LEAF_NOT_YET_VALID, Flaw.LEAF_EXPIRED)
        usage = leaf.key_usage
        if usage is None or not all(getattr(usage, bit) for bit in profile.key_usage):
            raise ChainRejected(Flaw.LEAF_KEY_USAGE, "leaf")
        if not _permits_purpose(leaf, profile):
            raise ChainRejected(Flaw.LEAF_EXTENDED_KEY_USAGE, "leaf")
        if profile.domain_components and not _has_marker(leaf, profile.domain_components):
            raise ChainRejected(Flaw.LEAF_DOMAIN_COMPONENT, "leaf")
        attributes = sorted(attribute.oid.dotted_string for attribute in leaf.subject)
        if len(leaf.common_names) != 1 or (profile.subject and attributes != sorted(profile.subject)):
            raise ChainRejected(Flaw.LEAF_SUBJECT, "leaf")

    def climb(self, child: Certificate, below: tuple[Certificate, ...]) -> _Found | None:
        """Returns a path from ``child`` to a root, through the sub-CAs ``below`` (child included,
        unless it is the leaf).
        """
        depth = len(below)
        named = False
        for role in self._profile.anchors:
            for anchor in self._anchors.issuers(role, child):
                named = True
                if self._holds(depth, partial(self._check_anchor, anchor, role, child, below)):
                    return below, anchor
        for candidate in self._others:
            if not child.names_as_issuer(candidate):
                continue
            named = True
            if candidate in below:
                self._flaws.append((depth, Flaw.ISSUER_LOOP, _sub_ca(candidate)))
            elif depth >= self._profile.max_sub_cas:
                self._flaws.append((depth, Flaw.TOO_MANY_SUB_CAS, _sub_ca(candidate)))
            elif self._holds(depth, partial(self._check_sub_ca, candidate, child, depth)):
                found = self.climb(candidate, (*below, candidate))
                if found is not None:
                    return found
        if not named:
            self._end_of_path(child, below)
        return None

    def _end_of_path(self, child: Certificate, below: tuple[Certificate, ...]) -> None:
        subject = _sub_ca(child) if below else "leaf"
        if len(below) < len(self._others):
            self._flaws.append((len(below), Flaw.CHAIN_BROKEN, subject))
        else:
            self._hanging = below
            self._flaws.append((len(below), Flaw.NO_TRUST_ANCHOR, subject))

    def _holds(self, depth: int, check: Callable[[], None]) -> bool:
        try:
            check()
        except ChainRejected as error:
            self._flaws.append((depth, error.flaw, error.subject))
            return False
        return True

    def _check_sub_ca(self, ca: Certificate, child: Certificate, depth: int) -> None:
        subject = _sub_ca(ca)
        self._check_form(ca, subject)
        _check_authority(ca, subject, depth)
        if not _permits_issuing(ca, self._profile):
            raise ChainRejected(Flaw.SUB_CA_EXTENDED_KEY_USAGE, subject)
        self._check_dates(ca, subject, Flaw.SUB_CA_NOT_YET_VALID, Flaw.SUB_CA_EXPIRED)
        self._check_signature(child, ca, subject)

    def _check_anchor(self, anchor: Certificate, role: Role, child: Certificate, below: Sequence[Certificate]) -> None:
        subject = f"{role.value} root {anchor.fingerprint[:16]}"
        if anchor.key_kind not in KEY_KINDS[self._profile.edition] or not anchor.critical <= KNOWN_CRITICAL:
            raise ChainRejected(Flaw.ANCHOR_UNFIT, subject)
        if anchor.extensions & CONSTRAINTS or not _permits_issuing(anchor, self._profile):
            raise ChainRejected(Flaw.ANCHOR_UNFIT, subject)
        if not anchor.is_ca or anchor.key_usage is None or not anchor.key_usage.key_cert_sign:
            raise ChainRejected(Flaw.ANCHOR_UNFIT, subject)
        _check_authority(anchor, subject, len(below))
        self._check_dates(anchor, subject, Flaw.ANCHOR_NOT_YET_VALID, Flaw.ANCHOR_EXPIRED)
        self._check_signature(child, anchor, subject)
        required = self._profile.sub_ca_domain_components.get(role)
        foreign = self._profile.foreign_domain_components.get(role, frozenset())
        for ca in below:
            if (required is not None and not _has_marker(ca, required)) or ca.domain_components & foreign:
                raise ChainRejected(Flaw.SUB_CA_DOMAIN_COMPONENT, _sub_ca(ca))

    def _check_form(self, certificate: Certificate, subject: str) -> None:
        edition = self._profile.edition
        if certificate.signature_algorithm not in SIGNATURE_ALGORITHMS[edition]:
            raise ChainRejected(Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED, subject, certificate.signature_algorithm)
        if certificate.key_kind not in KEY_KINDS[edition]:
            raise ChainRejected(Flaw.KEY_NOT_ALLOWED, subject, certificate.key_kind)
        if found := certificate.extensions & CONSTRAINTS:
            raise ChainRejected(Flaw.CONSTRAINTS, subject, min(found))
        if unknown := certificate.critical - KNOWN_CRITICAL:
            raise ChainRejected(Flaw.UNKNOWN_CRITICAL_EXTENSION, subject, min(unknown))
        if self._profile.known_countries and not all(map(is_country, certificate.countries)):
            raise ChainRejected(Flaw.COUNTRY, subject)

    def _check_dates(self, certificate: Certificate, subject: str, early: Flaw, late: Flaw) -> None:
        if certificate.not_after < self._at:
            raise ChainRejected(late, subject, f"ended {certificate.not_after:%Y-%m-%d}")
        if self._clock_trusted and certificate.not_before > self._at:
            raise ChainRejected(early, subject, f"begins {certificate.not_before:%Y-%m-%d}")

    def _check_signature(self, child: Certificate, issuer: Certificate, subject: str) -> None:
        pair = (child.der, issuer.der)
        if pair not in self._signed_by:
            self._signed_by[pair] = child.is_signed_by(issuer)
        if not self._signed_by[pair]:
            raise ChainRejected(Flaw.BAD_SIGNATURE, f"certificate below {subject}")


def _check_authority(ca: Certificate, subject: str, sub_cas_below: int) -> None:
    constraints = ca.basic_constraints
    if constraints is None or not constraints.ca:
        raise ChainRejected(Flaw.SUB_CA_NOT_CA, subject)
    if ca.key_usage is None or not ca.key_usage.key_cert_sign:
        raise ChainRejected(Flaw.SUB_CA_KEY_USAGE, subject)
    if constraints.path_length is not None and constraints.path_length < sub_cas_below:
        raise ChainRejected(Flaw.PATH_LENGTH, subject, f"{constraints.path_length} permitted, {sub_cas_below} below")


def _permits_purpose(leaf: Certificate, profile: Profile) -> bool:
    purposes = leaf.extended_key_usage
    if purposes is None:
        return not profile.extended_key_usage_required
    if ANY_EXTENDED_KEY_USAGE in purposes:
        return True
    if profile.extended_key_usage is not None:
        return profile.extended_key_usage in purposes
    # No purpose is defined for contracts. A list that its issuer marked critical still applies, and
    # cannot be met.
    return EXTENDED_KEY_USAGE not in leaf.critical


def _permits_issuing(ca: Certificate, profile: Profile) -> bool:
    """A CA's purposes apply to what it issues. Many issuers list the CA's own purposes instead, not
    critical, so only critical ones count.
    """
    purposes = ca.extended_key_usage
    if purposes is None or EXTENDED_KEY_USAGE not in ca.critical:
        return True
    return not purposes.isdisjoint({ANY_EXTENDED_KEY_USAGE, profile.extended_key_usage})


def _has_marker(certificate: Certificate, allowed: frozenset[str]) -> bool:
    markers = certificate.domain_components & ROLE_MARKERS
    return bool(markers) and markers <= allowed


def _require_common_moment(path: Sequence[Certificate], floor: datetime) -> None:
    newest = max([floor, *(c.not_before for c in path)])
    for place, certificate in enumerate(path):
        if certificate.not_after < newest:
            flaw = Flaw.SUB_CA_EXPIRED if place else Flaw.LEAF_EXPIRED
            raise ChainRejected(flaw, "chain", "not valid at the same time as the rest of it")


def _sub_ca(certificate: Certificate) -> str:
    return f"sub-CA {certificate.fingerprint[:16]}"
