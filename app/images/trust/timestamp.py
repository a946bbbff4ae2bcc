"""RFC 3161 timestamps: when a signature existed, said by an authority of the trust root."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from rfc3161_client import TimeStampResponse, VerifierBuilder, decode_timestamp_response
from rfc3161_client.verify import Verifier

from app.images.trust.errors import Code, TrustError, cause, fence, refuse
from app.images.trust.window import Window

MAX_STAMPS = 8


@dataclass(frozen=True, slots=True)
class StampAuthority:
    """A timestamp authority: its certificate, its root, and when it is believed."""

    name: str
    chain: tuple[x509.Certificate, ...]
    verifier: Verifier
    window: Window

    @classmethod
    def of(cls, name: str, chain: Sequence[x509.Certificate], window: Window) -> "StampAuthority":
        """From a chain as trusted_root.json lists it: signer first, root last, at least these two."""
        if len(chain) < 2:
            refuse(Code.FORMAT, "a timestamp authority of the trust root needs its own certificate and its root's")
        builder = VerifierBuilder().tsa_certificate(chain[0]).add_root_certificate(chain[-1])
        for each in chain[1:-1]:
            builder = builder.add_intermediate_certificate(each)
        return cls(name, tuple(chain), builder.build(), window)

    @property
    def ends(self) -> dt.datetime:
        """When it can stamp nothing new any more."""
        ends = [certificate.not_valid_after_utc for certificate in self.chain]
        return min([*ends, self.window.end] if self.window.end else ends)


def verify(raw: bytes, messages: Sequence[bytes], authorities: Sequence[StampAuthority]) -> dt.datetime:
    """The time in a TimeStampResp that an authority made over one of the messages.

    Several messages, because versions of cosign stamped different things that all commit to the signature.

    Raises:
        TrustError: with code `timestamp`.
    """
    if not authorities:
        refuse(Code.TIMESTAMP, "the trust root has no timestamp authority")
    with fence(Code.TIMESTAMP, "the timestamp cannot be read"):
        response = decode_timestamp_response(raw)
        when = response.tst_info.gen_time
    why = ""
    for authority in authorities:
        reason = _refusal(authority, response, messages)
        if reason is not None:
            why = why or reason
            continue
        if authority.window.holds(when):
            return when
        why = f"{authority.name} is trusted {authority.window}, the timestamp is of {when:%Y-%m-%d}"
    return refuse(Code.TIMESTAMP, f"the timestamp is not one of a trusted authority over this signature: {why}")


def _refusal(authority: StampAuthority, response: TimeStampResponse, messages: Sequence[bytes]) -> str | None:
    """Why the authority did not make the response over any of the messages; None if it did."""
    why = ""
    for message in messages:
        try:
            with fence(Code.TIMESTAMP, authority.name):
                if authority.verifier.verify_message(response, message):
                    return None
        except TrustError as error:
            # OpenSSL's reasons are stacks of codes; that the CMS structure does not verify is all that they say.
            text = cause(error.__cause__) if error.__cause__ else error.summary
            why = "its signature or its certificates do not verify" if "ErrorStack" in text else text
    return why
