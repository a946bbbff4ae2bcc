"""From a ClusterImagePolicy document to the policy that verification uses, with advice on what is allowed but unwise.

Where policy-controller would quietly trust more than the document says, this is stricter; docs/image-policies.md lists
each difference, and tests/unit/config/test_image_policy_differences.py has a test for each.
"""

from __future__ import annotations

from typing import Final, cast, get_args

from app.config import patterns
from app.config.image_authority import Authority as AuthorityModel
from app.config.image_authority import KeylessRef
from app.config.image_policy import RESOURCES, ClusterImagePolicy, MatchResource
from app.config.kind import ANNOTATIONS, Compiling
from app.config.problems import Path, meant
from app.config.trust_sources import TrustSource
from app.core.images.policy import (
    Attestation,
    Authority,
    Identity,
    ImagePolicy,
    Key,
    Keyless,
    LogDuty,
    MultiArch,
    ResourceMatch,
    StampDuty,
    Static,
)

REQUIRE_DIGEST: Final = f"{ANNOTATIONS}require-digest"
"""Annotation: `"true"` refuses images that are named by tag only."""
MULTI_ARCH: Final = f"{ANNOTATIONS}multi-arch"
"""Annotation: which of a multi-platform image's manifests must be signed, `index`, `child` or `any`."""
_ANNOTATIONS: Final = (REQUIRE_DIGEST, MULTI_ARCH)
_PUBLIC: Final = frozenset({"fulcio.sigstore.dev", "rekor.sigstore.dev"})


def compile_policy(document: ClusterImagePolicy, content: str, compiling: Compiling) -> ImagePolicy:
    """The policy; worth something only if nothing was refused on the way."""
    spec = document.spec
    digest_required, multi_arch = _annotations(document, compiling)
    _advise_globs(document, compiling)
    for index, one in enumerate(spec.match):
        if one.resource not in ("", "*", *RESOURCES):
            told = (
                f"`{one.resource}` is none of those that are judged ({', '.join(RESOURCES)}), so this matches nothing"
            )
            compiling.warn(("spec", "match", index, "resource"), told)
    authorities = tuple(
        _authority(authority, index, ("spec", "authorities", index), compiling)
        for index, authority in enumerate(spec.authorities)
    )
    _unique([one.name for one in authorities], ("spec", "authorities"), "authority", compiling)
    _advise_static(authorities, compiling)
    return ImagePolicy(
        name=document.metadata.name,
        images=tuple(dict.fromkeys(image.glob for image in spec.images)),
        authorities=authorities,
        matches=tuple(_match(one) for one in spec.match),
        mode=spec.mode or "enforce",
        digest_required=digest_required,
        multi_arch=multi_arch,
        hash=content,
    )


def _annotations(document: ClusterImagePolicy, compiling: Compiling) -> tuple[bool, MultiArch]:
    given = document.metadata.annotations
    path: Path = ("metadata", "annotations")
    for key in given:
        if key.startswith(ANNOTATIONS) and key not in _ANNOTATIONS:
            compiling.refuse((*path, key), f"unknown annotation{meant(key, _ANNOTATIONS)}")
    digest = given.get(REQUIRE_DIGEST, "false")
    if digest not in ("true", "false"):
        compiling.refuse((*path, REQUIRE_DIGEST), 'must be "true" or "false"')
    multi_arch = given.get(MULTI_ARCH, "any")
    if multi_arch not in get_args(MultiArch):
        compiling.refuse((*path, MULTI_ARCH), f"must be one of {', '.join(get_args(MultiArch))}")
    return digest == "true", cast("MultiArch", multi_arch)


def _advise_globs(document: ClusterImagePolicy, compiling: Compiling) -> None:
    for index, image in enumerate(document.spec.images):
        glob, path = image.glob, ("spec", "images", index, "glob")
        last = glob.rpartition("/")[2]
        if glob in ("*", "*/*"):
            place = "library/*" if glob == "*" else "*/*"
            compiling.warn(path, f"means `index.docker.io/{place}`, as in policy-controller; `**` means every image")
        elif "@" not in last and "**" not in last and (":" in last or "*" not in last):
            compiling.warn(
                path,
                "does not cover the same image by digest, and nothing but `:latest` where no tag is given; "
                f"write `{glob.rpartition(':')[0] if ':' in last else glob}**` to cover every tag and digest",
            )


def _match(one: MatchResource) -> ResourceMatch:
    selector = one.selector
    return ResourceMatch(
        group=one.group,
        version=one.version,
        resource=one.resource,
        match_labels=dict(selector.match_labels) if selector else {},
        match_expressions=tuple((each.key, each.operator, each.values) for each in selector.match_expressions)
        if selector
        else (),
    )


def _authority(model: AuthorityModel, index: int, path: Path, compiling: Compiling) -> Authority:
    name = model.name or f"authority-{index}"
    if model.static is not None:
        return Authority(name=name, by=Static(model.static.action, model.static.message), log="ignored")
    by: Keyless | Key
    default_root = ""
    if model.keyless is not None:
        by = _keyless(model.keyless, (*path, "keyless"), compiling)
        default_root = by.trust_root
    else:
        key = model.key
        if key is None:  # pragma: no cover - the model has made sure
            raise AssertionError(name)
        by = Key(key.data.strip().encode(), key.hash_algorithm or "sha256")
    log, log_root = _log(model, path, default_root, compiling)
    timestamps, timestamp_root = _timestamps(model, path, default_root, compiling)
    for number, source in enumerate(model.source):
        if source.signature_pull_secrets:
            compiling.warn(
                (*path, "source", number, "signaturePullSecrets"),
                "not read: signatures are fetched with the credentials that the image is pulled with",
            )
    _unique([one.name for one in model.attestations], (*path, "attestations"), "attestation", compiling)
    return Authority(
        name=name,
        by=by,
        log=log,
        timestamps=timestamps,
        log_trust_root=log_root,
        timestamp_trust_root=timestamp_root,
        sources=tuple(source.oci for source in model.source if source.oci),
        attestations=tuple(
            Attestation(one.name, one.predicate_type, one.policy.data.strip() if one.policy else "")
            for one in model.attestations
        ),
    )


def _keyless(model: KeylessRef, path: Path, compiling: Compiling) -> Keyless:
    for index, identity in enumerate(model.identities):
        for alias, text in (("issuerRegExp", identity.issuer_reg_exp), ("subjectRegExp", identity.subject_reg_exp)):
            for told in patterns.advice(text) if text else ():
                compiling.warn((*path, "identities", index, alias), told)
    _refer(compiling, (*path, "trustRootRef"), model.trust_root_ref, "" if model.ca_cert else "certificateAuthorities")
    if model.url and not model.trust_root_ref and not _public(model.url):
        compiling.warn(
            (*path, "url"),
            "is never contacted: certificates are checked with the default trust root; name another by `trustRootRef`",
        )
    if model.insecure_ignore_sct and not (model.trust_root_ref or model.ca_cert):
        compiling.warn(
            (*path, "insecureIgnoreSCT"), "is meant for a private CA without a certificate log, and this is not one"
        )
    return Keyless(
        identities=tuple(
            Identity(one.issuer, one.issuer_reg_exp, one.subject, one.subject_reg_exp) for one in model.identities
        ),
        trust_root=model.trust_root_ref,
        ignore_sct=model.insecure_ignore_sct,
        ca_cert=model.ca_cert.data.strip().encode() if model.ca_cert else b"",
    )


def _log(model: AuthorityModel, path: Path, default_root: str, compiling: Compiling) -> tuple[LogDuty, str]:
    """Whether the signature must be in a transparency log, and whose keys prove it.

    An authority with `ctlog` asks for the log. Without it, a key needs none, and neither does what a timestamp
    authority has stamped; a certificate, valid for minutes only, needs one of both.
    """
    ctlog = model.ctlog
    if ctlog is None:
        if model.key is not None or model.rfc3161timestamp is not None:
            return "ignored", ""
        return "required", _root("", path, default_root, "tLogs", compiling)
    root = _root(ctlog.trust_root_ref, (*path, "ctlog", "trustRootRef"), default_root, "tLogs", compiling)
    if ctlog.url and not root and not _public(ctlog.url):
        compiling.warn(
            (*path, "ctlog", "url"),
            "is never contacted: entries are checked with the default trust root; name another by `trustRootRef`",
        )
    return "required", root


def _timestamps(model: AuthorityModel, path: Path, default_root: str, compiling: Compiling) -> tuple[StampDuty, str]:
    stamp = model.rfc3161timestamp
    if stamp is None:
        return "none", ""
    where = (*path, "rfc3161timestamp", "trustRootRef")
    return "required", _root(stamp.trust_root_ref, where, default_root, "timestampAuthorities", compiling)


def _root(name: str, path: Path, default: str, needed: str, compiling: Compiling) -> str:
    """The trust root of a service: the one named for it, or that of the authority's certificates."""
    _refer(compiling, path if name else (*path[:3], "keyless", "trustRootRef"), name or default, needed)
    return name or default


def _refer(compiling: Compiling, path: Path, name: str, needed: str) -> None:
    """Check that a trust root exists and, as far as it is known by now, has what the authority needs of it."""
    if not name:
        return
    found = compiling.refer(path, "TrustRoot", name)
    if isinstance(found, TrustSource) and needed and not found.has(needed):
        compiling.refuse(path, f"TrustRoot `{name}` has no {needed}, so no signature could ever count")


def _unique(given: list[str], path: Path, what: str, compiling: Compiling) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(given):
        if first.setdefault(name, index) != index:
            compiling.refuse((*path, index, "name"), f"{what} `{name}` is named twice")


def _advise_static(authorities: tuple[Authority, ...], compiling: Compiling) -> None:
    for index, authority in enumerate(authorities):
        if isinstance(authority.by, Static) and authority.by.action == "pass":
            rest = ", so the other authorities decide nothing" if len(authorities) > 1 else ""
            compiling.warn(
                ("spec", "authorities", index, "static"), f"admits every matching image without any signature{rest}"
            )


def _public(url: str) -> bool:
    """Whether a URL is the public instance's, which the default trust root is made for."""
    return url.partition("://")[2].partition("/")[0].lower() in _PUBLIC
