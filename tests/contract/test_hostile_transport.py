"""Clients that are slow, broken or hostile below the level of a review; the server serves on after each."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.contract.webhook import Webhook, answer_of, review
from tests.kube.process import wait_for

HEAD = b"POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def serves_after(webhook: Webhook) -> Iterator[None]:
    yield
    webhook.still_serves()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, authority: object) -> Iterator[Webhook]:
    """A server with time-outs of a second or less."""
    limits = {
        "header_seconds": 0.5,
        "body_seconds": 0.5,
        "handshake_seconds": 0.5,
        "keep_alive_seconds": 2.0,
        "request_seconds": 2.0,
        "max_connections": 40,
        "drain_seconds": 0.0,
    }
    with Webhook(tmp_path_factory.mktemp("impatient"), authority, limits=limits) as running:  # type: ignore[arg-type]
        yield running
        running.still_serves()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Bad Header: 1\r\n\r\n",
        "GET /\u00e9 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(webhook: Webhook, sent: bytes) -> None:
    with webhook.connect() as connection:
        connection.sendall(sent)
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


def test_a_request_for_the_server_as_such_is_404(webhook: Webhook) -> None:
    with webhook.connect() as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 404 ")


def test_an_offered_upgrade_is_not_taken(webhook: Webhook) -> None:
    with webhook.connect() as connection:
        connection.sendall(
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_plain_http_is_not_served(webhook: Webhook) -> None:
    with socket.create_connection(("127.0.0.1", webhook.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = connection.recv(1024)
        except ConnectionResetError:
            answer = b""
    assert b"HTTP/1.1 200" not in answer


def test_old_tls_is_refused(webhook: Webhook) -> None:
    context = webhook.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        webhook.connect(context)


def test_headers_have_a_size(webhook: Webhook) -> None:
    with webhook.connect() as connection:
        filler = b"X-Filler: " + b"a" * 8000 + b"\r\n"
        connection.sendall(HEAD)
        with contextlib.suppress(OSError):  # it may close while more is sent
            for _ in range(40):
                connection.sendall(filler)
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 431 "), answer


def test_a_body_in_chunks_and_one_that_waits_for_leave(webhook: Webhook) -> None:
    body = review()
    with webhook.connect() as connection:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:]))
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert b'"allowed":true' in connection.recv(65536)
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert b'"allowed":true' in connection.recv(65536)


def test_a_review_that_comes_byte_by_byte(webhook: Webhook) -> None:
    body = review()
    with webhook.connect() as connection:
        for byte in HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body:
            connection.sendall(bytes([byte]))
        assert b'"allowed":true' in connection.recv(65536)


def test_pipelined_reviews_are_answered_in_order(webhook: Webhook) -> None:
    count = 300
    requests = b"".join(
        HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in (review(f"pipe-{n}") for n in range(count))
    )
    with webhook.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(requests,))
        sender.start()
        answer = b""
        while answer.count(b'"allowed":true') < count:
            part = connection.recv(65536)
            assert part, answer
            answer += part
        sender.join()
    positions = [answer.index(b'"pipe-%d"' % number) for number in range(count)]
    assert positions == sorted(positions)


def test_a_client_that_leaves_in_the_middle(webhook: Webhook) -> None:
    body = review()
    for cut in (0, 1, 20, len(HEAD), len(HEAD) + 30):
        connection = webhook.connect()
        connection.sendall((HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)[:cut])
        if cut % 2:
            connection.unwrap().close()
        connection.close()


def test_a_half_closed_client(webhook: Webhook) -> None:
    plain = socket.create_connection(("127.0.0.1", webhook.port), timeout=10)
    with webhook.context().wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        plain_copy = socket.socket(fileno=socket.dup(connection.fileno()))
        plain_copy.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in answer_of(connection)
        plain_copy.close()


def test_the_answer_to_a_body_that_is_too_large_arrives(webhook: Webhook) -> None:
    size = 20 * 1024 * 1024
    with webhook.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        piece = b"a" * 65536
        with contextlib.suppress(OSError):  # refused before all was sent
            for _ in range(size // len(piece)):
                connection.sendall(piece)
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:100]


def test_five_hundred_idle_connections_hurt_nobody(webhook: Webhook) -> None:
    before = webhook.status("VmRSS")
    context = webhook.context()
    idle = [webhook.connect(context) for _ in range(500)]
    try:
        client = webhook.client()
        slowest = 0.0
        for number in range(200):
            started = time.perf_counter()
            assert webhook.judge(client, review(f"busy-{number}"))["allowed"]
            slowest = max(slowest, time.perf_counter() - started)
        client.close()
        assert slowest < 2.0
        assert (webhook.status("VmRSS") - before) / 1024 < 60
        # None of them was closed for being idle: each still carries a review.
        for connection in idle[::100]:
            body = review()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert b'"allowed":true' in connection.recv(65536)
    finally:
        for connection in idle:
            connection.close()


def test_a_flood_of_refusals_is_counted_and_not_all_logged(webhook: Webhook) -> None:
    client = webhook.client()
    for _ in range(300):
        client.request("GET", "/nowhere")
        answer = client.getresponse()
        answer.read()
        assert answer.status == 404
    client.close()
    lines = [line for line in webhook.logged() if line.get("cause") == "path" and line["message"] == "refused"]
    assert 1 <= len(lines) < 100
    _, page = webhook.request("GET", "/metrics")
    counted = next(
        line for line in page.decode().splitlines() if line.startswith('pratique_errors_total{cause="path"}')
    )
    assert float(counted.split()[-1]) >= 300


# --- slowness, against a server with little patience ------------------------------------------------------------------


def closes_within(connection: ssl.SSLSocket, seconds: float) -> bytes:
    connection.settimeout(seconds)
    return answer_of(connection)


def test_headers_that_never_end(impatient: Webhook) -> None:
    with impatient.connect() as connection:
        connection.sendall(HEAD)
        assert closes_within(connection, 8.0).startswith(b"HTTP/1.1 408 ")


def test_headers_that_drip(impatient: Webhook) -> None:
    def drip(connection: ssl.SSLSocket, stop: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while not stop.wait(0.1):
                connection.sendall(b"X-A: b\r\n")

    stop = threading.Event()
    with impatient.connect() as connection:
        connection.sendall(HEAD)
        thread = threading.Thread(target=drip, args=(connection, stop))
        thread.start()
        answer = closes_within(connection, 8.0)
        stop.set()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_never_comes(impatient: Webhook) -> None:
    with impatient.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert closes_within(connection, 8.0).startswith(b"HTTP/1.1 408 ")


def test_a_handshake_that_never_ends(impatient: Webhook) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=8) as connection:
        connection.sendall(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1024) == b""


def test_a_connection_that_is_idle_for_too_long(impatient: Webhook) -> None:
    with impatient.connect() as fresh, impatient.connect() as used:
        body = review()
        used.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert b'"allowed":true' in used.recv(65536)
        assert closes_within(used, 8.0) == b""
        assert closes_within(fresh, 8.0) == b""


def test_the_longest_idle_connection_makes_room(impatient: Webhook) -> None:
    context = impatient.context()
    connections = [impatient.connect(context) for _ in range(45)]
    try:
        connections[0].settimeout(5.0)
        assert answer_of(connections[0]) == b""
        body = review()
        connections[-1].sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert b'"allowed":true' in connections[-1].recv(65536)
    finally:
        for connection in connections:
            connection.close()


def test_a_client_that_does_not_read(impatient: Webhook) -> None:
    with impatient.connect() as connection:
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):  # its answers fill the buffers of both sides, then it cannot send either
            while True:
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        wait_for(lambda: "did not take its answer" in impatient.text(), "the end of the connection", 10)
