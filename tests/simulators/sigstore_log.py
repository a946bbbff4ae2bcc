"""A transparency log in memory: Merkle tree, signed checkpoints, and (Rekor v1) promises."""

import datetime as dt
import os
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulators.sigstore_keys import b64, canonical, iso, new_key, sha256, spki


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962's tree hash."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:]))


def path_to(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962's audit path."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, right = leaves[:split], leaves[split:]
    return [*path_to(index, left), root_of(right)] if index < split else [*path_to(index - split, right), root_of(left)]


class Log:
    """Generation 1 signs with ECDSA and gives promises; generation 2 signs with Ed25519 and gives none."""

    def __init__(self, origin: str, generation: int = 1) -> None:
        self.origin = origin
        self.generation = generation
        self.key = new_key("p256" if generation == 1 else "ed25519")
        self.spki = spki(self.key.public_key())
        self.leaves = [os.urandom(24) for _ in range(3)]
        if generation == 1:
            self.log_id = sha256(self.spki)
        else:
            self.log_id = sha256(origin.encode() + b"\n\x01" + self.key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        if self.generation == 1:
            return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        return self.key.sign(message)

    def checkpoint(self, size: int, root: bytes) -> str:
        note = f"{self.origin}\n{size}\n{b64(root)}\n"
        return f"{note}\n\N{EM DASH} {self.origin} {b64(self.log_id[:4] + self.sign(note.encode()))}\n"

    def promise(self, raw: bytes, when: int, index: int) -> bytes:
        said = {"body": b64(raw), "integratedTime": when, "logID": self.log_id.hex(), "logIndex": index}
        return self.sign(canonical(said))

    def append(self, body: dict[str, Any], when: dt.datetime) -> dict[str, Any]:
        """Add an entry and two later ones; return it as a bundle's `tlogEntries` item."""
        raw = canonical(body)
        index = len(self.leaves)
        self.leaves += [raw, os.urandom(24), os.urandom(24)]
        size, root = len(self.leaves), root_of(self.leaves)
        entry: dict[str, Any] = {
            "logIndex": str(index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64(root),
                "treeSize": str(size),
                "hashes": [b64(each) for each in path_to(index, self.leaves)],
                "checkpoint": {"envelope": self.checkpoint(size, root)},
            },
            "canonicalizedBody": b64(raw),
        }
        if self.generation == 1:
            seconds = int(when.timestamp())
            entry["integratedTime"] = str(seconds)
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(raw, seconds, index))}
        return entry

    def trusted(self, start: dt.datetime) -> dict[str, Any]:
        """The log as trusted_root.json lists it."""
        return {
            "baseUrl": f"https://{self.origin}",
            "hashAlgorithm": "SHA2_256",
            "logId": {"keyId": b64(self.log_id)},
            "publicKey": {
                "rawBytes": b64(self.spki),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256" if self.generation == 1 else "PKIX_ED25519",
                "validFor": {"start": iso(start)},
            },
        }
