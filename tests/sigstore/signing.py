"""Has the real cosign sign and attest what a row says."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sigstore.golden import Sample
from tests.sigstore.images import Remote
from tests.sigstore.rows import PREDICATES, SIGNATURE, SIGNING, Row
from tests.sigstore.stack import Stack

SEED = "the image"


def sign(stack: Stack, row: Row, repository: str, image: str, *extra: str | Path) -> None:
    """Add the row's signature or attestation to an image that is in the registry of the row."""
    arguments: list[str | Path] = ["sign" if row.content == SIGNATURE else "attest", "-y"]
    env = {}
    if row.format == "legacy":
        arguments += ["--new-bundle-format=false", "--use-signing-config=false", *_services(stack, row)]
        if row.place != "tag":
            arguments.append("--registry-referrers-mode=oci-1-1")
            env["COSIGN_EXPERIMENTAL"] = "1"
    else:
        arguments.append(f"--signing-config={stack.signing[SIGNING[row.trust]]}")
    arguments.append(f"--trusted-root={stack.trusted_root_file}")
    if row.signer is None:
        arguments.append(f"--key={stack.key}")
    else:
        arguments.append(f"--identity-token={stack.token(row.signer)}")
    if row.content != SIGNATURE:
        predicate = stack.folder / f"{row.content}.json"
        predicate.write_text(json.dumps(PREDICATES[row.content]))
        arguments += [f"--type={row.content}", f"--predicate={predicate}"]
    stack.run(*arguments, *extra, f"{netloc(stack, row)}/{repository}@{image}", env=env)


def _services(stack: Stack, row: Row) -> list[str]:
    """The flags that said whom to ask before there were signing configs; the legacy format knows nothing else."""
    asked = [f"--fulcio-url={stack.urls['fulcio']}"] if row.keyless else []
    if row.trust.endswith("tsa"):
        asked.append(f"--timestamp-server-url={stack.urls['tsa']}")
    if row.terms.log == "ignored":
        return [*asked, "--tlog-upload=false"]
    return [*asked, f"--rekor-url={stack.urls['rekor-v1']}"]


def netloc(stack: Stack, row: Row) -> str:
    """The registry that makes cosign use the row's place."""
    return stack.plain_registry if row.place == "fallback-tag" else stack.registry


def sample(stack: Stack, row: Row, repository: str = "") -> Sample:
    """Push an image, sign it, and take out what is then in its repository (named as the row unless told)."""
    repository = repository or row.name
    remote = Remote(netloc(stack, row))
    image = remote.push_image(repository, SEED)
    sign(stack, row, repository, image)
    issuer = stack.services.issuer(row.signer) if row.signer else ""
    return Sample(row, image, issuer, remote.take(repository, image))
