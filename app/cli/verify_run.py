"""The work behind `pratique verify`: options to policies, one run of the engine, results with what was expected."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from app.cli.verify_policies import load
from app.config.image_authority import PREDICATES
from app.config.trust_sources import TrustSource
from app.core.images.judge import ImageRequest
from app.core.images.matching import PolicySet
from app.core.images.policy import Attestation, Authority, Identity, ImagePolicy, Key, Keyless
from app.core.images.reference import Reference
from app.core.images.result import Found, ImageResult
from app.errors import ConfigError
from app.images import explain
from app.images.engine import Verifier
from app.images.engine_settings import ANYBODY, EngineSettings
from app.images.registry import Credential, CredentialSource, DockerConfigFile, HostSettings, Registry, RegistrySettings
from app.images.root_sources import File, Source, cache_directory, of_document, public_good
from app.images.roots import Roots, names_of
from app.images.trust import TrustError
from app.images.trust.identity import pattern
from app.images.trust.key import from_pem

if TYPE_CHECKING:
    from app.cli.verify import Options

_ANYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
NAME: Final = "command line"


@dataclass(frozen=True, slots=True)
class Report:
    """One policy's verdict, ready to be shown."""

    image: str
    digest: str
    policy: str
    mode: str
    expected: str
    ok: bool
    unchecked: bool
    reason: str
    found: tuple[Found, ...] = ()


class _Login:
    """A user name and a password for one registry only: no other host gets them."""

    def __init__(self, registry: str, username: str, password: str) -> None:
        self._registry = registry
        self._credential = Credential(username=username, password=password)

    def candidates(self, context: str) -> list[Credential]:
        """Give them for repositories of the registry."""
        return [self._credential] if context.partition("/")[0] == self._registry else []


def run(options: Options) -> list[Report]:
    """Verify. Raises PratiqueError for options and files that cannot be used."""
    reference = Reference.parse(options["image"])
    if options["policy"] is None:
        policies: tuple[ImagePolicy, ...] = (_policy(options),)
        documents: tuple[TrustSource, ...] = ()
    else:
        loaded, documents = load(options["policy"])
        policies = PolicySet(loaded).policies_for(reference, options["image"], "", "v1", "pods")
    if not policies:
        return [
            Report(
                image=options["image"],
                digest=reference.digest,
                policy="",
                mode="",
                expected="",
                ok=False,
                unchecked=False,
                reason="no policy is about this image as a pod without labels would name it",
            )
        ]
    roots = _roots(options, policies, documents)
    registry = Registry(_settings(options, reference), _credentials(options, reference))
    results = _verify(options, reference, policies, registry, roots)
    return [_report(results[options["image"], policy.name], policy, reference) for policy in policies]


def _verify(
    options: Options, reference: Reference, policies: tuple[ImagePolicy, ...], registry: Registry, roots: Roots
) -> Mapping[tuple[str, str], ImageResult]:
    settings = EngineSettings(exhaustive=True, patience_seconds=options["timeout"])
    verifier = Verifier(registry, roots, settings)
    requests = [ImageRequest(reference, options["image"], policy) for policy in policies]
    try:
        return asyncio.run(verifier.verify(requests, ANYBODY, time.monotonic() + options["timeout"]))
    finally:
        verifier.close()
        registry.close()


def _report(result: ImageResult, policy: ImagePolicy, reference: Reference) -> Report:
    reason, ok = result.reason, result.ok
    if ok and policy.digest_required and not reference.digest:
        ok, reason = False, f"the policy wants its digest in the name: {reference.context}@{result.digest}"
    return Report(
        image=result.image,
        digest=result.digest,
        policy=policy.name,
        mode=policy.mode,
        expected=explain.expected(policy),
        ok=ok,
        unchecked=result.unknown is not None,
        reason=reason,
        found=result.found,
    )


def _policy(options: Options) -> ImagePolicy:
    """The policy that the options make. Raises ConfigError."""
    by: Keyless | Key
    if options["key"] is not None:
        by = Key(_read(options["key"]))
        try:
            from_pem(by.pem)
        except TrustError as error:
            raise ConfigError(f"{options['key']}: {error.summary}", "give the public key, such as cosign.pub") from None
    else:
        identity = Identity(
            options["certificate_oidc_issuer"],
            options["certificate_oidc_issuer_regexp"],
            options["certificate_identity"],
            options["certificate_identity_regexp"],
        )
        for expression in filter(None, (identity.issuer_regexp, identity.subject_regexp)):
            try:
                pattern(expression)
            except TrustError as error:
                raise ConfigError(error.summary) from None
        by = Keyless((identity,), ignore_sct=options["insecure_ignore_sct"])
    log: Literal["required", "ignored"] = "ignored" if options["insecure_ignore_tlog"] else "required"
    stamps: Literal["none", "required"] = "required" if options["use_signed_timestamps"] else "none"
    kind = PREDICATES.get(options["type"], options["type"])
    attestations = (Attestation(options["type"], kind),) if kind else ()
    authority = Authority(NAME, by, log=log, timestamps=stamps, attestations=attestations)
    return ImagePolicy(NAME, ("**",), (authority,), multi_arch=options["require"], hash=NAME)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None


def _roots(options: Options, policies: tuple[ImagePolicy, ...], documents: tuple[TrustSource, ...]) -> Roots:
    """The roots that the policies need; sigstore's is only touched if one of them does."""
    needed = {name for policy in policies for one in policy.authorities for name in names_of(one) if name is not None}
    cache = cache_directory(os.environ)
    sources: dict[str, Source] = {one.name: of_document(one, cache) for one in documents if one.name in needed}
    if "" in needed:
        sources[""] = File(options["trusted_root"]) if options["trusted_root"] else public_good(cache)
    roots = Roots(sources)
    if not options["offline"]:
        roots.poll()
    for state in roots.states():
        if state.error and state.version:
            click.echo(f"warning: {state.error}; going on with an older one", err=True)
        elif state.error:
            raise ConfigError(state.error)
    return roots


def _settings(options: Options, reference: Reference) -> RegistrySettings:
    """Whoever sits at a command line may connect to where they like; only hosts that were named, though."""
    hosts = {host: HostSettings(http=True, allow=_ANYWHERE) for host in options["insecure_registry"]}
    hosts.setdefault(
        reference.registry,
        HostSettings(
            http=options["allow_http_registry"],
            skip_verify=options["allow_insecure_registry"],
            allow=_ANYWHERE,
        ),
    )
    return RegistrySettings(hosts=hosts, environment=os.environ)


def _credentials(options: Options, reference: Reference) -> CredentialSource | None:
    if options["registry_username"]:
        return _Login(reference.registry, options["registry_username"], options["registry_password"])
    home = os.environ.get("DOCKER_CONFIG") or f"{os.environ.get('HOME', '')}/.docker"
    path = Path(home) / "config.json"
    return DockerConfigFile(path) if path.is_file() else None
