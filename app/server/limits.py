"""Bounds on what one client may cost the server; every number that protects it stands here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `keep_alive_seconds` is above the 90 s for which Go's HTTP client (the apiserver) keeps an idle connection, so the
    client closes first: a server that closes first can do so at the moment the client sends its next review, which
    then fails.
    """

    max_body_bytes: int = 8 * 1024 * 1024
    """An UPDATE carries the new and the old object, each at most 3 MiB in the apiserver."""
    body_seconds: float = 10.0
    """For the whole body of a review to arrive, counted from the end of its headers."""
    header_seconds: float = 10.0
    """For the headers of a request to arrive, counted from its first byte."""
    max_header_bytes: int = 64 * 1024
    handshake_seconds: float = 10.0
    """For the TLS handshake, counted from the TCP accept."""
    keep_alive_seconds: float = 120.0
    """For a connection between two requests, or before its first."""
    request_seconds: float = 60.0
    """For an answer to be made and read by the client: twice the longest timeoutSeconds of a webhook."""
    linger_seconds: float = 1.0
    """For a client that was answered before it had sent all: closing at once could take the answer away from it."""
    max_connections: int = 4096
    """At the limit, the longest idle connection makes room for a new one."""
    drain_seconds: float = 5.0
    """How long to go on serving after SIGTERM, so that no Service endpoint still points here when listening ends."""
    deadline_seconds: float = 10.0
    """For a review that came without a `timeout` parameter; the apiserver's own default."""
    answer_margin_seconds: float = 0.2
    """How much before the apiserver's deadline the answer leaves."""
