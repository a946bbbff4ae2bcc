"""`pratique verify`: what the webhook would say about an image's signatures, and why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, TypeVar, Unpack

import click

F = TypeVar("F", bound=Callable[..., Any])

VERIFIED: Final = 0
NOT_VERIFIED: Final = 1
UNCHECKED: Final = 4
_FILE = click.Path(path_type=Path)


class Options(TypedDict):
    """The options of `verify`, as click names them."""

    image: str
    policy: Path | None
    key: Path | None
    certificate_identity: str
    certificate_identity_regexp: str
    certificate_oidc_issuer: str
    certificate_oidc_issuer_regexp: str
    type: str
    require: Literal["index", "child", "any"]
    trusted_root: Path | None
    offline: bool
    insecure_ignore_tlog: bool
    insecure_ignore_sct: bool
    use_signed_timestamps: bool
    insecure_registry: tuple[str, ...]
    allow_http_registry: bool
    allow_insecure_registry: bool
    registry_username: str
    registry_password: str
    timeout: float
    output: Literal["text", "json"]


def _signer_options(command: F) -> F:
    """Add the options that say who must have signed."""
    for option in reversed(
        [
            click.option("--policy", type=_FILE, help="ClusterImagePolicy documents: a file, or a directory of them."),
            click.option("--key", type=_FILE, help="Public key, PEM."),
            click.option("--certificate-identity", default="", help="Subject of the certificate, exactly."),
            click.option(
                "--certificate-identity-regexp", default="", help="... or an RE2 expression that the whole must match."
            ),
            click.option("--certificate-oidc-issuer", default="", help="Issuer of the certificate, exactly."),
            click.option(
                "--certificate-oidc-issuer-regexp",
                default="",
                help="... or an RE2 expression that the whole must match.",
            ),
            click.option(
                "--type",
                default="",
                metavar="PREDICATE",
                help="Ask for an attestation of this type instead of a signature: a URI, or as cosign names it, "
                "such as spdxjson, cyclonedx, slsaprovenance1, vuln.",
            ),
            click.option(
                "--require",
                type=click.Choice(["index", "child", "any"]),
                default="any",
                show_default=True,
                help="Of a multi-platform image: its index signed, each platform's manifest, or either.",
            ),
        ]
    ):
        command = option(command)
    return command


def _trust_options(command: F) -> F:
    """Add the options that say what is believed."""
    for option in reversed(
        [
            click.option(
                "--trusted-root", type=_FILE, help="A trusted_root.json. Default: sigstore's public instance, by TUF."
            ),
            click.option("--offline", is_flag=True, help="Do not refresh sigstore's root; take the one shipped."),
            click.option("--insecure-ignore-tlog", is_flag=True, help="Do not ask for a transparency log's entry."),
            click.option("--insecure-ignore-sct", is_flag=True, help="Do not ask for the certificate log's timestamp."),
            click.option("--use-signed-timestamps", is_flag=True, help="Ask for an RFC 3161 timestamp."),
        ]
    ):
        command = option(command)
    return command


def _registry_options(command: F) -> F:
    """Add the options about registries."""
    for option in reversed(
        [
            click.option(
                "--insecure-registry", multiple=True, metavar="HOST", help="Speak plain HTTP to it. Repeatable."
            ),
            click.option("--allow-http-registry", is_flag=True, help="Speak plain HTTP to the image's registry."),
            click.option("--allow-insecure-registry", is_flag=True, help="Accept any certificate of that registry."),
            click.option("--registry-username", default="", help="Default: what Docker's config.json has."),
            click.option("--registry-password", default="", help="Better set in the environment."),
            click.option(
                "--timeout", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Seconds."
            ),
        ]
    ):
        command = option(command)
    return command


@click.command()
@click.argument("image")
@_signer_options
@_trust_options
@_registry_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(**options: Unpack[Options]) -> None:
    """Say whether IMAGE is signed as it should be, and why.

    The verdict is the webhook's, with every signature that was found and why it did or did not count.
    Signatures are looked for wherever cosign and registries keep them. Options are named as cosign's; unlike there, an
    expression must match the whole text. Exit codes: 0 verified, 1 not verified, 2 usage, 4 could not be checked.

    \b
    Examples:
      pratique verify ghcr.io/me/app:v1 --policy policies/ci.yaml
      pratique verify ghcr.io/me/app:v1 --certificate-oidc-issuer https://token.actions.githubusercontent.com \\
          --certificate-identity-regexp 'https://github.com/me/.*'
      pratique verify ghcr.io/me/app:v1 --key cosign.pub --insecure-ignore-tlog
      pratique verify ghcr.io/me/app:v1 --key cosign.pub --type spdxjson -o json
      pratique verify localhost:5000/app --insecure-registry localhost:5000 --key cosign.pub --trusted-root root.json
    """
    _check(options)
    from app.cli import verify_report, verify_run  # noqa: PLC0415 - `--help` should not load sigstore

    results = verify_run.run(options)
    click.echo(verify_report.as_json(results) if options["output"] == "json" else verify_report.as_text(results))
    sys.exit(exit_code([(one.ok, one.unchecked) for one in results]))


def exit_code(verdicts: list[tuple[bool, bool]]) -> int:
    """The exit code for (ok, could not be checked) of each policy; what is known to be bad comes first."""
    if any(not ok and not unchecked for ok, unchecked in verdicts):
        return NOT_VERIFIED
    return VERIFIED if all(ok for ok, _ in verdicts) else UNCHECKED


def _check(options: Options) -> None:
    """Refuse combinations that mean nothing. Raises UsageError."""
    identity = options["certificate_identity"] or options["certificate_identity_regexp"]
    issuer = options["certificate_oidc_issuer"] or options["certificate_oidc_issuer_regexp"]
    ways = [bool(options["policy"]), bool(options["key"]), bool(identity or issuer)]
    if sum(ways) != 1:
        raise click.UsageError("say who must have signed: --policy, --key, or --certificate-identity with an issuer")
    if bool(identity) != bool(issuer):
        raise click.UsageError(
            "a certificate's identity means nothing without its issuer: give --certificate-identity[-regexp] and "
            "--certificate-oidc-issuer[-regexp]"
        )
    for name in ("certificate_identity", "certificate_oidc_issuer"):
        if options[name] and options[f"{name}_regexp"]:  # type: ignore[literal-required]
            flag = name.replace("_", "-")
            raise click.UsageError(f"--{flag} and --{flag}-regexp exclude each other")
    if options["policy"] and (
        options["type"]
        or options["insecure_ignore_tlog"]
        or options["insecure_ignore_sct"]
        or options["use_signed_timestamps"]
    ):
        raise click.UsageError("with --policy, the policy says which type, log, SCT and timestamps are asked for")
    if bool(options["registry_username"]) != bool(options["registry_password"]):
        raise click.UsageError("--registry-username and --registry-password go together")
