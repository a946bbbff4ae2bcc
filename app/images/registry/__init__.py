"""A client for OCI registries in which nothing is believed that was not hashed, and nothing waits past its deadline.

What holds, each with a test (tests/contract/test_hostile_registry.py):

 1. Bytes are returned only when their SHA-256 is the digest asked for; headers that name a digest are hints.
 2. A call ends by its deadline, whoever is slow: name servers, handshakes, redirects, one byte at a time.
 3. A call takes bounded memory: heads, bodies, pages and nesting have limits, and nothing is decompressed.
 4. A connection goes to an address that was checked, after one resolution; so a name cannot change in between.
 5. Credentials go to the registry they are for, or to a token service its settings allow, over TLS unless the settings
    say otherwise; never along a redirect, into an error or a log.
 6. Only RegistryError leaves.
"""

from app.images.registry.client import Registry
from app.images.registry.content import Descriptor, Manifest
from app.images.registry.credentials import Anonymous, Chain, Credential, CredentialSource, identity
from app.images.registry.docker_config import DockerConfig, DockerConfigFile, InvalidCredentials
from app.images.registry.errors import Kind, RegistryError
from app.images.registry.settings import HostSettings, RegistrySettings

__all__ = [
    "Anonymous",
    "Chain",
    "Credential",
    "CredentialSource",
    "Descriptor",
    "DockerConfig",
    "DockerConfigFile",
    "HostSettings",
    "InvalidCredentials",
    "Kind",
    "Manifest",
    "Registry",
    "RegistryError",
    "RegistrySettings",
    "identity",
]
