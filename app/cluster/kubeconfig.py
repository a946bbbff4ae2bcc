"""Access from kubeconfig files, read by kubectl's rules.

Several files are merged as KUBECONFIG asks: the first to define a name or the current context wins, and relative paths
are relative to the file that holds them. Users with fixed credentials (token, tokenFile, client certificate and key as
files or data, username and password) are read directly; `exec` and `auth-provider` go through
`app.cluster.credentials`. Impersonation (`as`) is refused rather than ignored, as it would act with other rights.

Errors name files and fields, never values.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.cluster.access import Access, Anonymous, Both, CertificateFiles, Credentials, Static, TokenFile
from app.config.yaml import YamlError, documents, place
from app.errors import ConfigError

VARIABLE: Final = "KUBECONFIG"
_EXTERNAL: Final = ("exec", "auth-provider")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named cluster, user or context, and the file it comes from."""

    field: str
    value: Mapping[str, Any]
    file: Path

    def where(self, key: str = "") -> str:
        return f"{self.file}: {self.field}.{key}" if key else f"{self.file}: {self.field}"

    def text(self, key: str) -> str | None:
        """A text field; absent, null and empty are the same, as in Go."""
        value = self.value.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise ConfigError(f"{self.where(key)}: must be text")
        return value

    def flag(self, key: str) -> bool:
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise ConfigError(f"{self.where(key)}: must be true or false")

    def content(self, key: str) -> Path | bytes | None:
        """What `<key>-data` (base64) holds or `<key>` names; the data wins, as in kubectl."""
        data = self.text(f"{key}-data")
        if data is not None:
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError):
                raise ConfigError(f"{self.where(f'{key}-data')}: is not base64") from None
        return self.path(key)

    def path(self, key: str) -> Path | None:
        name = self.text(key)
        return None if name is None else self.file.parent / name


def paths(explicit: Path | None, environment: Mapping[str, str], home: Path) -> list[Path]:
    """The files kubectl would read: the explicit one, those of KUBECONFIG that exist, or ~/.kube/config."""
    if explicit is not None:
        return [explicit]
    named = [Path(name) for name in environment.get(VARIABLE, "").split(":") if name]
    return [path for path in named if path.exists()] if named else [home / ".kube" / "config"]


def access(files: Sequence[Path], context: str | None = None) -> Access:
    """The cluster and user of a context (the current one if none is named).

    Raises ConfigError naming the file and the field.
    """
    config = _Merged(files)
    chosen = config.entry("contexts", context or config.current_context, "context")
    cluster = config.entry("clusters", _needed(chosen, "cluster"), "cluster")
    user_name = chosen.text("user")
    user = config.entry("users", user_name, "user") if user_name else None
    server = _needed(cluster, "server").rstrip("/")
    if not re.match(r"https?://[^/]", server):
        raise ConfigError(f"{cluster.where('server')}: must be a URL that starts with https:// or http://")
    if "@" in server:
        raise ConfigError(f"{cluster.where('server')}: must not hold credentials")
    authority = cluster.content("certificate-authority")
    insecure = cluster.flag("insecure-skip-tls-verify")
    if insecure and authority is not None:
        raise ConfigError(
            f"{cluster.where('insecure-skip-tls-verify')}: contradicts certificate-authority; give one of the two"
        )
    return Access(
        server=server,
        credentials=Anonymous() if user is None else _credentials(user, cluster, chosen),
        authority=authority,
        verify=not insecure,
        server_name=cluster.text("tls-server-name"),
        proxy=_proxy(cluster),
    )


def _credentials(user: _Entry, cluster: _Entry, context: _Entry) -> Credentials:
    for name in user.value:
        if name == "as" or name.startswith("as-"):
            raise ConfigError(f"{user.where(name)}: impersonation is not supported")
    header = _header(user)
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if (certificate is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise ConfigError(f"{user.where(missing)}: is missing; a client certificate and its key belong together")
    pair = CertificateFiles(certificate, key) if certificate is not None and key is not None else None
    if header is None and pair is None and any(user.value.get(kind) for kind in _EXTERNAL):
        from app.cluster.external import External  # noqa: PLC0415 - few have such a user

        return External(
            kubeconfig=_alone(user, cluster, context), folder=user.file.parent.resolve(), source=user.where()
        )
    if header is not None and pair is not None:
        return Both(header, pair)
    return header or pair or Anonymous()


def _header(user: _Entry) -> Credentials | None:
    token_file, token = user.path("tokenFile"), user.text("token")
    if token_file is not None:  # wins over `token`, as in client-go
        return TokenFile(token_file)
    if token is not None:
        if not token.isascii() or not token.isprintable():
            raise ConfigError(f"{user.where('token')}: is no token")
        return Static(f"Bearer {token}")
    username, password = user.text("username"), user.text("password")
    if username is not None:
        pair = f"{username}:{password or ''}".encode()
        return Static(f"Basic {base64.b64encode(pair).decode()}")
    return None


def _proxy(cluster: _Entry) -> str | None:
    proxy = cluster.text("proxy-url")
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise ConfigError(f"{cluster.where('proxy-url')}: only http:// and https:// proxies are supported")
    return proxy


def _alone(user: _Entry, cluster: _Entry, context: _Entry) -> dict[str, Any]:
    """A kubeconfig with this one context, for the child process."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": dict(cluster.value)}],
        "users": [{"name": "user", "user": dict(user.value)}],
        "contexts": [{"name": "context", "context": {**context.value, "cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }


def _needed(entry: _Entry, key: str) -> str:
    value = entry.text(key)
    if value is None:
        raise ConfigError(f"{entry.where(key)}: is missing")
    return value


class _Merged:
    """Several kubeconfig files as one."""

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise ConfigError(f"no kubeconfig: none of the files that {VARIABLE} names exists")
        self._files = ", ".join(map(str, files))
        self._contents = [(file, _read(file)) for file in files]

    @property
    def current_context(self) -> str:
        for file, content in self._contents:
            name = content.get("current-context")
            if name and not isinstance(name, str):
                raise ConfigError(f"{file}: current-context: must be text")
            if name:
                return str(name)
        raise ConfigError(f"{self._files}: current-context: is not set", "Choose one: kubectl config use-context NAME")

    def entry(self, section: str, name: str, kind: str) -> _Entry:
        """The first entry of that name. Raises ConfigError when there is none or its shape is wrong."""
        for file, content in self._contents:
            entries = content.get(section)
            if entries is not None and not isinstance(entries, list):
                raise ConfigError(f"{file}: {section}: must be a list")
            for index, item in enumerate(entries or ()):
                if not isinstance(item, dict) or item.get("name") != name:
                    continue
                field = f"{section}[{index}].{kind}"
                value = item.get(kind)
                if not isinstance(value, dict) and value is not None:
                    raise ConfigError(f"{file}: {field}: must be a mapping")
                return _Entry(field, value or {}, file)
        raise ConfigError(f"{self._files}: {section}: no {kind} is called `{name}`")


def _read(file: Path) -> Mapping[str, Any]:
    try:
        data = file.read_bytes()
    except OSError as cause:
        raise ConfigError(f"cannot read kubeconfig {file}: {cause.strerror or type(cause).__name__}") from None
    try:
        found = list(documents(data, str(file)))
    except YamlError as error:
        # What stands in backticks may be quoted from the file, which holds secrets.
        problem = re.sub(r"`[^`]*`", "a value", error.problem)
        raise ConfigError(f"{place(error.source, error.line, error.column)}: {problem}") from None
    if not found:
        return {}
    if len(found) > 1 or not isinstance(found[0].value, dict):
        raise ConfigError(f"{file}: a kubeconfig is one mapping")
    value: Mapping[str, Any] = found[0].value
    return value
