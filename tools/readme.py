"""The parts of README.md that derive from the program: a real denial of the pod that it shows, and the settings.

Each stands between `<!-- NAME -->` and `<!-- end of NAME -->`; `python -m tools.generate` fills it.
"""

import json
import re

import click
import msgspec
import yaml

from app.catalog import catalog
from app.cli.serve import serve
from app.core.decode import decode_review
from app.core.facts import Facts
from app.core.plan import Modes, Snapshot
from app.core.respond import respond
from app.core.review import judge, request_of
from app.core.version import LATEST, Level, LevelVersion

WEBHOOK = "validate.pratique.dev"


def filled(readme: str) -> str:
    """The README with every derived part made anew.

    Raises:
        SystemExit: a part's marks or the sample are not there.
    """
    readme = _fill(readme, "settings", settings())
    return _fill(readme, "denial", denial(_sample(readme)))


def _fill(text: str, name: str, content: str) -> str:
    marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    filled, times = re.subn(marks, lambda found: f"{found[1]}{content}{found[2]}", text, flags=re.DOTALL)
    if times != 1:
        raise SystemExit(f"README.md needs one part `<!-- {name} -->`")
    return filled


def _sample(readme: str) -> str:
    found = re.search(r"<!-- sample -->\n+```yaml\n(.*?)```", readme, re.DOTALL)
    if found is None:
        raise SystemExit("README.md needs a pod after `<!-- sample -->`")
    return found[1]


def denial(manifest: str) -> str:
    """What kubectl prints when the pod of a manifest is applied to a namespace that enforces restricted."""
    pod = yaml.safe_load(manifest)
    request = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "operation": "CREATE",
        "userInfo": {"username": "jane"},
        "object": pod,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    restricted = LevelVersion(Level.RESTRICTED, LATEST)
    snapshot = Snapshot(rules=catalog().rules, defaults=Modes(enforce=restricted))
    decision = judge(request_of(decode_review(msgspec.json.encode(review))), snapshot, Facts())
    status = json.loads(respond(decision))["response"]["status"]
    printed = (
        f'Error from server ({status["reason"]}): error when creating "web.yaml": '
        f'admission webhook "{WEBHOOK}" denied the request: {status["message"].rstrip()}'
    )
    return f"```console\n$ kubectl apply -f web.yaml\n{printed}\n```\n"


def settings() -> str:
    """The options of `pratique serve` as a table."""
    rows = ["| flag | default | meaning |", "| --- | --- | --- |"]
    for option in serve.params:
        if isinstance(option, click.Option):
            choices = f" ({', '.join(option.type.choices)})" if isinstance(option.type, click.Choice) else ""
            default = "" if option.default is None or not option.show_default else f"`{option.default}`"
            rows.append(
                f"| `{option.opts[0]}` | {default} | {(option.help or '').replace('|', chr(92) + '|')}{choices} |"
            )
    return "\n".join([*rows, ""])
