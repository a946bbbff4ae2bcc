"""kubeconfig files: what is read, what is merged, what is refused, and that no value of a secret is told."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cluster import kubeconfig, service_account
from app.cluster.access import Access, ClientCertificate
from app.cluster.external import External
from app.errors import ClusterError, ConfigError

SECRET = "s3cr3t-s3cr3t"


def config(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }


def write(folder: Path, value: Any, name: str = "config") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def read(folder: Path, user: dict[str, Any], **cluster: Any) -> Access:
    return kubeconfig.access([write(folder, config(user, **cluster))])


def test_a_token(tmp_path: Path) -> None:
    access = read(tmp_path, {"token": SECRET})
    assert access.server == "https://127.0.0.1:6443"
    assert access.credentials.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert access.credentials.certificate() is None
    assert not access.credentials.renew()
    assert access.verify
    assert access.authorities() is None
    assert SECRET not in repr(access) + repr(access.credentials)


def test_yaml_as_kubectl_writes_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
apiVersion: v1
clusters:
- cluster: {server: 'http://localhost:8001', insecure-skip-tls-verify: true, tls-server-name: kubernetes}
  name: k
contexts:
- context: {cluster: k, user: ""}
  name: c
current-context: c
kind: Config
preferences: {}
users: null
""",
    )
    access = kubeconfig.access([path])
    assert (access.verify, access.server_name) == (False, "kubernetes")
    assert access.credentials.headers() == {}


def test_a_token_file_is_read_each_time_and_wins(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    credentials = read(tmp_path, {"tokenFile": "token", "token": "other"}).credentials
    assert credentials.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert not credentials.renew()
    file.write_text("rotated")
    assert credentials.renew()
    assert credentials.headers() == {"Authorization": "Bearer rotated"}


@pytest.mark.parametrize(("content", "told"), [("", "is empty"), ("a\nb", "holds no token"), ("é", "holds no token")])
def test_a_token_file_without_a_token(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "token").write_text(content)
    credentials = read(tmp_path, {"tokenFile": "token"}).credentials
    with pytest.raises(ClusterError, match=told):
        credentials.headers()


def test_a_missing_token_file(tmp_path: Path) -> None:
    credentials = read(tmp_path, {"tokenFile": "absent"}).credentials
    with pytest.raises(ClusterError, match="cannot read token file .*absent: No such file or directory"):
        credentials.headers()


def test_certificates_as_files_and_as_data(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"CA")
    (tmp_path / "key").write_bytes(b"KEY")
    user = {
        "client-certificate-data": base64.b64encode(b"CERT").decode(),
        "client-certificate": "x",
        "client-key": "key",
    }
    access = read(tmp_path, user, **{"certificate-authority": "ca.crt"})
    assert access.authorities() == "CA"
    assert access.credentials.certificate() == ClientCertificate(b"CERT", b"KEY")
    assert not access.credentials.renew()
    (tmp_path / "key").write_bytes(b"NEW")
    assert access.credentials.renew()
    assert access.credentials.headers() == {}


def test_a_certificate_and_a_token(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    credentials = read(
        tmp_path, {"client-certificate-data": data, "client-key-data": data, "token": SECRET}
    ).credentials
    assert credentials.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert credentials.certificate() == ClientCertificate(b"PEM", b"PEM")
    assert not credentials.renew()


def test_username_and_password(tmp_path: Path) -> None:
    header = read(tmp_path, {"username": "u", "password": SECRET}).credentials.headers()["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == f"u:{SECRET}".encode()


def test_files_are_merged_the_first_wins(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "token").write_text("from the other folder")
    first = config({"token": "unused"})
    first["users"] = []
    second = config({"tokenFile": "token"}, server="https://loses")
    second["current-context"] = "loses"
    files = [write(tmp_path, first), write(tmp_path / "other", second)]
    access = kubeconfig.access(files)
    assert access.server == "https://127.0.0.1:6443"
    assert access.credentials.headers() == {"Authorization": "Bearer from the other folder"}


def test_another_context(tmp_path: Path) -> None:
    value = config({"token": "a"})
    value["contexts"].append({"name": "d", "context": {"cluster": "k"}})
    assert kubeconfig.access([write(tmp_path, value)], "d").credentials.headers() == {}


def test_which_files_are_read(tmp_path: Path) -> None:
    there = write(tmp_path, {})
    assert kubeconfig.paths(Path("x"), {"KUBECONFIG": "y"}, tmp_path) == [Path("x")]
    assert kubeconfig.paths(None, {"KUBECONFIG": f"/absent::{there}"}, tmp_path) == [there]
    assert kubeconfig.paths(None, {}, tmp_path) == [tmp_path / ".kube" / "config"]
    with pytest.raises(ConfigError, match="none of the files that KUBECONFIG names exists"):
        kubeconfig.access(kubeconfig.paths(None, {"KUBECONFIG": "/absent"}, tmp_path))


@pytest.mark.parametrize(
    ("user", "cluster", "told"),
    [
        ({"token": 7}, {}, "users[0].user.token: must be text"),
        ({"token": f"{SECRET}\n"}, {}, "users[0].user.token: is no token"),
        ({"client-key-data": f"{SECRET}!"}, {}, "users[0].user.client-key-data: is not base64"),
        ({"client-key": "x"}, {}, "users[0].user.client-certificate: is missing"),
        ({"client-certificate": "x"}, {}, "users[0].user.client-key: is missing"),
        ({"token": SECRET, "as": "root"}, {}, "users[0].user.as: impersonation is not supported"),
        ({"token": SECRET, "as-groups": []}, {}, "users[0].user.as-groups: impersonation is not supported"),
        ({}, {"server": ""}, "clusters[0].cluster.server: is missing"),
        ({}, {"server": "127.0.0.1"}, "clusters[0].cluster.server: must be a URL"),
        ({}, {"server": f"https://u:{SECRET}@host"}, "clusters[0].cluster.server: must not hold credentials"),
        ({}, {"proxy-url": f"socks5://u:{SECRET}@host"}, "clusters[0].cluster.proxy-url: only http:// and https://"),
        ({}, {"insecure-skip-tls-verify": "yes"}, "insecure-skip-tls-verify: must be true or false"),
        ({}, {"insecure-skip-tls-verify": True, "certificate-authority": "x"}, "contradicts certificate-authority"),
    ],
)
def test_what_is_refused(tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, user, **cluster)
    assert told in caught.value.summary
    assert caught.value.summary.startswith(str(tmp_path / "config"))
    assert SECRET not in caught.value.summary + caught.value.diagnosis


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "current-context: is not set"),
        ("current-context: 1", "current-context: must be text"),
        ("- 1", "a kubeconfig is one mapping"),
        ("a: 1\n---\nb: 2", "a kubeconfig is one mapping"),
        ("current-context: c", "contexts: no context is called `c`"),
        ("current-context: c\ncontexts: {}", "contexts: must be a list"),
        ("current-context: c\ncontexts: [1, {name: c, context: x}]", "contexts[1].context: must be a mapping"),
        ("current-context: c\ncontexts: [{name: c}]", "contexts[0].context.cluster: is missing"),
        (f"token: !!int {SECRET}", "a value is not a int"),
        (f"{SECRET}: 1\n{SECRET}: 2", "key a value is given twice"),
        (f"token: '{SECRET}", "found unexpected end of stream"),
    ],
)
def test_what_is_no_kubeconfig(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kubeconfig.access([write(tmp_path, text)])
    assert told in caught.value.summary
    assert SECRET not in caught.value.summary + caught.value.diagnosis


def test_a_missing_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read kubeconfig .*absent: No such file"):
        kubeconfig.access([tmp_path / "absent"])


# A service account.


def test_a_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "ca.crt").write_text("CA")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    access = service_account.access(environment, tmp_path)
    assert access.server == "https://[fd00::1]:443"
    assert access.credentials.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert access.authorities() == "CA"


def test_a_pod_without_a_service_account(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError, match="the pod has no service account") as caught:
        service_account.access(environment, tmp_path)
    assert "automountServiceAccountToken" in caught.value.diagnosis


def test_outside_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not in a cluster"):
        service_account.access({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)


# exec and auth-provider users.


def plugin(folder: Path, body: str) -> dict[str, Any]:
    script = folder / "plugin"
    script.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}")
    script.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}


def credential(status: str) -> str:
    return (
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', "
        f"'status': {status}}}))"
    )


@pytest.mark.slow
def test_an_exec_plugin_is_run_in_a_child_and_again_when_refused(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    body = f"n = open({str(counter)!r}, 'a'); n.write('x'); n.close()\n" + credential(
        f"{{'token': '{SECRET}' + str(os.path.getsize({str(counter)!r}))}}"
    )
    credentials = read(tmp_path, plugin(tmp_path, body)).credentials
    assert isinstance(credentials, External)
    assert credentials.headers() == {"Authorization": f"Bearer {SECRET}1"}
    assert credentials.certificate() is None
    assert credentials.headers() == {"Authorization": f"Bearer {SECRET}1"}  # kept
    assert not credentials.renew()  # only just asked
    credentials._asked -= 60
    assert credentials.renew()
    assert credentials.headers() == {"Authorization": f"Bearer {SECRET}2"}
    assert "kubernetes" not in sys.modules
    assert SECRET not in repr(credentials) + repr(credentials._answer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"print('{SECRET}', file=sys.stderr); sys.exit(3)", "the exec plugin ended with exit code 3"),
        (f"print('{SECRET}')", "the exec plugin printed no usable credentials"),
        (credential("{}"), "the exec plugin printed no usable credentials"),
    ],
)
def test_an_exec_plugin_that_fails(tmp_path: Path, body: str, told: str) -> None:
    credentials = read(tmp_path, plugin(tmp_path, body)).credentials
    with pytest.raises(ClusterError) as caught:
        credentials.headers()
    assert caught.value.summary == f"{tmp_path / 'config'}: users[0].user: {told}"


def fake(answer: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; sys.stdin.read(); {answer}")


def external(command: tuple[str, ...]) -> External:
    return External({}, Path("/"), "here", command)


def test_a_certificate_from_a_plugin() -> None:
    credentials = external(fake("""print('{"certificate":"C","key":"K"}')"""))
    assert credentials.certificate() == ClientCertificate(b"C", b"K")
    assert credentials.headers() == {}


def test_credentials_that_have_expired_are_asked_for_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    credentials = external(
        fake(f"""open({os.fspath(log)!r}, 'a').write('x'); print('{{"authorization":"A","expires":1.0}}')""")
    )
    assert credentials.headers() == credentials.headers() == {"Authorization": "A"}
    assert log.read_text() == "xx"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (fake("sys.exit(7)"), "here: the credentials process ended with code 7"),
        (fake("""print('{"error":"no"}')"""), "here: no"),
        (("/absent/python",), "here: cannot ask for credentials: No such file or directory"),
    ],
)
def test_a_child_that_fails(command: tuple[str, ...], told: str) -> None:
    with pytest.raises(ClusterError) as caught:
        external(command).headers()
    assert caught.value.summary == told
