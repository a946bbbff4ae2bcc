"""A TUF repository with one target, made and signed in this process: as files, as an archive, and served over HTTP.

repository = TufRepository({"trusted_root.json": content})
repository.root                        the first root.json, for clients
repository.archive()                   a gzip-compressed tar of it, below `repository/`
repository.publish({...}, expired=True)     a new version of the targets
with repository.served() as url: ...   a mirror on loopback; `requests` has what was asked for
"""

import datetime as dt
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

LATER = dt.datetime(2125, 1, 1, tzinfo=dt.UTC)
BEFORE = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class TufRepository:
    """The repository; every `publish` makes a consistent new state."""

    def __init__(self, targets: Mapping[str, bytes]) -> None:
        self.signer = CryptoSigner.generate_ed25519()
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.version = 0
        root = Root(version=1, expires=LATER, consistent_snapshot=False)
        for role in ("root", "timestamp", "snapshot", "targets"):
            root.add_key(self.signer.public_key, role)
        self.root = self._signed(root)
        self.files["1.root.json"] = self.root
        self.publish(targets)

    def publish(self, targets: Mapping[str, bytes], *, expired: bool = False) -> None:
        self.version += 1
        listed = Targets(version=self.version, expires=LATER)
        for name, content in targets.items():
            listed.targets[name] = TargetFile.from_data(name, content)
            self.files[f"targets/{name}"] = content
        meta = {"targets.json": MetaFile(self.version)}
        timestamp = Timestamp(version=self.version, expires=BEFORE if expired else LATER)
        timestamp.snapshot_meta = MetaFile(self.version)
        self.files["targets.json"] = self._signed(listed)
        self.files["snapshot.json"] = self._signed(Snapshot(version=self.version, expires=LATER, meta=meta))
        self.files["timestamp.json"] = self._signed(timestamp)

    def _signed(self, content: Root | Timestamp | Snapshot | Targets) -> bytes:
        metadata = Metadata(content)
        metadata.sign(self.signer)
        return metadata.to_bytes()

    def archive(self, prefix: str = "repository/") -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in self.files.items():
                member = tarfile.TarInfo(prefix + name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    @contextmanager
    def served(self) -> Iterator[str]:
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                repository.requests.append(name)
                content = repository.files.get(name)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)
