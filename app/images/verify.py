"""One image, one policy: look for what the policy demands, let the trust core judge it, and say what came of it.

Blocking and without memory; the engine runs it in threads and remembers. Rules:

 * One authority that is satisfied satisfies the policy; the first one ends the search.
 * An authority with attestations wants all of them, and no signature besides.
 * A candidate that raises, whatever it raises, does not count; the next one is tried.
 * Whatever could not be looked at makes a refusal "could not be checked" instead: what was not seen may have counted.
 * Of a multi-platform image, `index` wants the manifest signed that is pulled by the name or digest; `child` each
   platform's manifest, because the kubelet picks one by where it runs; `any` either of the two.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypedDict

from app.core.images.policy import Attestation, Authority, ImagePolicy, Key, Keyless, LogDuty, StampDuty, Static
from app.core.images.reference import InvalidReference, Reference
from app.core.images.result import Found, ImageResult
from app.core.unknown import Unknown
from app.errors import PratiqueError
from app.images import explain
from app.images.artifact import FOREIGN, Candidate, Form
from app.images.conditions import why_not
from app.images.discovery import TRANSIENT, Discovery
from app.images.platforms import platforms
from app.images.question import INTERNAL, REFUSED, TRUST_ROOT, Checked, RootUnavailable, Subject, World
from app.images.registry.content import INDEXES
from app.images.registry.errors import RegistryError
from app.images.trust import (
    SIGNATURE_TYPE,
    TrustError,
    TrustRoot,
    Verified,
    verify_bundle,
    verify_dsse_layer,
    verify_simple_signing,
)

MAX_CHILDREN: Final = 32
"""Platforms of one image that `child` looks at; more refuse it."""

_cryptography = threading.Lock()
"""One verification at a time computes: more would not be faster (they share the interpreter's lock), but would make the
event loop wait for each of them in turn."""


def verify(subject: Subject, policy: ImagePolicy, world: World) -> Checked:
    """Check an image against a policy. Never raises: what goes wrong is in the result."""
    try:
        return _Run(subject, policy, world).outcome()
    except Exception as error:  # noqa: BLE001 - a bug of ours must not look like a missing signature
        cause = f"internal error of the image verification ({type(error).__name__})"
        result = ImageResult(subject.image, subject.digest, policy.name, ok=False, reason=cause, unknown=Unknown(cause))
        return Checked(result, INTERNAL)


class _Terms(TypedDict):
    """What the trust core is told."""

    root: TrustRoot | None
    by: Keyless | Key
    digest: str
    log: LogDuty
    timestamps: StampDuty
    now: dt.datetime


class _Run:
    """One verification; thrown away afterwards."""

    def __init__(self, subject: Subject, policy: ImagePolicy, world: World) -> None:
        self._subject = subject
        self._policy = policy
        self._world = world
        self._discoveries: dict[tuple[str, str], Discovery] = {}
        self._notes: dict[int, Found] = {}
        """By the candidate's id(): discoveries keep the candidates alive."""
        self._troubles: list[PratiqueError] = []
        self._missing: list[str] = []
        self._platforms: tuple[str, ...] | None = None
        self._opened = False

    def outcome(self) -> Checked:
        subject, policy = self._subject, self._policy
        satisfied = False
        for authority in policy.authorities:
            satisfied = self._satisfies(authority) or satisfied
            if satisfied and not self._world.exhaustive:
                break
        found = tuple(self._notes.values())
        if satisfied:
            return Checked(ImageResult(subject.image, subject.digest, policy.name, ok=True, found=found), "")
        troubles = [*self._troubles, *(one for each in self._discoveries.values() for one in each.troubles)]
        unknown, cause = None, REFUSED
        if troubles:
            unknown = Unknown(explain.listed([one.summary for one in troubles], "; "))
            cause = _kind(troubles)
            reason = f"it could not be checked: {unknown.cause}"
        else:
            reason = self._reason(found)
        result = ImageResult(subject.image, subject.digest, policy.name, ok=False, reason=reason, found=found)
        return Checked(replace(result, unknown=unknown), cause)

    def _reason(self, found: tuple[Found, ...]) -> str:
        discoveries = self._discoveries.values()
        more = any(each.more for each in discoveries)
        found = tuple(one for one in found if one.why_not != FOREIGN)
        if found or self._missing:
            return explain.refused(self._policy, found, self._missing, more=more)
        contexts = list(dict.fromkeys(each.context for each in discoveries))
        places = [one for each in discoveries for one in each.places]
        return explain.unsigned(self._policy, contexts, places)

    # Authorities.

    def _satisfies(self, authority: Authority) -> bool:
        by = authority.by
        if isinstance(by, Static):
            if by.action == "fail":
                self._missing.append(by.message or f"authority {authority.name!a} refuses every image")
            return by.action == "pass"
        try:
            root = self._world.roots.for_authority(authority)
        except PratiqueError as error:
            self._troubles.append(error)
            return False
        wanted = self._policy.multi_arch
        digest = self._subject.digest
        if wanted == "index":
            return self._vouches(authority, by, root, digest)
        if wanted == "any" and self._vouches(authority, by, root, digest):
            return True
        children = self._children()
        if children is None:
            return wanted == "child" and self._vouches(authority, by, root, digest)
        return bool(children) and all(self._vouches(authority, by, root, child) for child in children)

    def _children(self) -> tuple[str, ...] | None:
        """Digests of the manifests of all platforms; None if the image is not an index, () if they cannot be told."""
        if not self._opened:
            self._opened = True
            self._platforms = self._open()
        return self._platforms

    def _open(self) -> tuple[str, ...] | None:
        context, world = self._subject.reference.context, self._world
        try:
            manifest = world.registry.manifest(context, self._subject.digest, world.creds, world.deadline)
        except PratiqueError as error:
            self._troubles.append(error)
            return ()
        if manifest.media_type not in INDEXES:
            return None
        children = platforms(manifest.content)
        if len(children) > MAX_CHILDREN:
            self._missing.append(f"it has {len(children)} platforms, more than {MAX_CHILDREN}; sign its index")
            return ()
        return children

    def _vouches(self, authority: Authority, by: Keyless | Key, root: TrustRoot | None, digest: str) -> bool:
        terms = _Terms(
            root=root, by=by, digest=digest, log=authority.log, timestamps=authority.timestamps, now=self._world.now
        )
        if not authority.attestations:
            return self._finds(authority, terms, None)
        # Not all(): each one that is missing is told.
        return sum(self._finds(authority, terms, one) for one in authority.attestations) == len(authority.attestations)

    def _finds(self, authority: Authority, terms: _Terms, attestation: Attestation | None) -> bool:
        """Whether anything in the authority's repositories counts."""
        counted = False
        for context in self._contexts(authority):
            wanted = attestation.predicate_type if attestation else ""
            for candidate in _likely_first(self._discovery(context, terms["digest"], attestation), wanted):
                counted = self._try(candidate, authority, terms, attestation) or counted
                if counted and not self._world.exhaustive:
                    return True
        if not counted and attestation is not None:
            self._missing.append(f"it has no attestation {attestation.name!a} that counts")
        return counted

    def _contexts(self, authority: Authority) -> tuple[str, ...]:
        if not authority.sources:
            return (self._subject.reference.context,)
        contexts = []
        for source in authority.sources:
            try:
                contexts.append(Reference.parse(source).context)
            except InvalidReference as error:
                self._troubles.append(error)
        return tuple(contexts)

    def _discovery(self, context: str, digest: str, attestation: Attestation | None) -> Discovery:
        known = self._discoveries.get((context, digest))
        if known is None:
            world, authorities = self._world, self._policy.authorities
            known = self._discoveries[context, digest] = Discovery(
                world.registry,
                context,
                digest,
                world.creds,
                world.deadline,
                world.limits,
                # For all authorities of the policy, as they share what is found.
                signatures=world.exhaustive or attestation is None or not all(one.attestations for one in authorities),
                attestations=world.exhaustive or any(one.attestations for one in authorities),
            )
        return known

    # Candidates.

    def _try(self, candidate: Candidate, authority: Authority, terms: _Terms, attestation: Attestation | None) -> bool:
        identity = issuer = ""
        why = candidate.trouble
        if not why:
            try:
                verified = _verified(candidate, terms, attestation)
                identity, issuer = verified.identity, verified.issuer
                why = why_not(attestation, verified.statement) if attestation else ""
            except TrustError as error:
                identity, issuer, why = error.identity, error.issuer, explain.cause(error)
            except RegistryError as error:
                why = error.summary
                if error.kind in TRANSIENT:
                    self._troubles.append(error)
            except PratiqueError as error:
                why = error.summary
            except Exception as error:  # noqa: BLE001 - one that breaks our code must not hide the others
                why = f"it cannot be read ({type(error).__name__})"
        found = Found(candidate.where, candidate.kind, candidate.digest, identity, issuer, not why, why)
        self._note(candidate, authority, found)
        return not why

    def _note(self, candidate: Candidate, authority: Authority, now: Found) -> None:
        """Keep what is best about a candidate over all attempts: that it counted, then who signed it."""
        before = self._notes.get(id(candidate))
        if before is None:
            several = len(self._policy.authorities) > 1 and now.why_not and not candidate.trouble
            self._notes[id(candidate)] = replace(now, why_not=f"{authority.name}: {now.why_not}") if several else now
        elif before.counted:
            return
        elif now.counted:
            self._notes[id(candidate)] = now
        else:
            why = before.why_not
            if now.why_not not in why and not candidate.trouble:
                prefix = f"{authority.name}: " if len(self._policy.authorities) > 1 else ""
                why = f"{why}; {prefix}{now.why_not}"
            identity, issuer = (before.identity, before.issuer) if before.identity else (now.identity, now.issuer)
            self._notes[id(candidate)] = replace(before, identity=identity, issuer=issuer, why_not=why)


def _verified(candidate: Candidate, terms: _Terms, attestation: Attestation | None) -> Verified:
    """Let the trust core judge a candidate. Raises TrustError, and what loading raises."""
    wanted = attestation.predicate_type if attestation else None
    if attestation is not None and candidate.form is Form.SIMPLE:
        raise NotWanted("it is an image signature, not an attestation")
    content = candidate.load()
    with _cryptography:
        if candidate.form is Form.BUNDLE:
            return verify_bundle(content, predicate_type=wanted, **terms)
        if candidate.form is Form.DSSE:
            return verify_dsse_layer(content, candidate.annotations, predicate_type=wanted, **terms)
        return verify_simple_signing(content, candidate.annotations, **terms)


class NotWanted(PratiqueError):  # noqa: N818 - what it is
    """A signature where an attestation is wanted."""


def _likely_first(candidates: Discovery, wanted: str) -> Iterator[Candidate]:
    """All candidates; those whose annotations claim another type come last, so that they are mostly not fetched."""
    later = []
    for candidate in candidates:
        if candidate.predicate_type in ("", wanted or SIGNATURE_TYPE):
            yield candidate
        else:
            later.append(candidate)
    yield from later


def _kind(troubles: list[PratiqueError]) -> str:
    """The cause to remember a failure by: the first registry trouble, else that a trust root is missing."""
    kinds = [str(one.kind) for one in troubles if isinstance(one, RegistryError)]
    if kinds:
        return kinds[0]
    return TRUST_ROOT if any(isinstance(one, RootUnavailable) for one in troubles) else INTERNAL
