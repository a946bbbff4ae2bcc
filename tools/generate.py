"""Writes what derives from the checks: `python -m tools.generate [--check] [--docs DIRECTORY]`.

That is docs/checks (one page a check and an index) and the derived parts of README.md. The output depends on the code
alone, so that running it twice changes nothing; `--check` writes nothing and fails, naming the files, if a run would
change any.
"""

import argparse
import inspect
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml

from app.catalog import catalog, pod_of_example
from app.core.check import Check, Example
from app.core.message import tell
from app.core.target import pod_object, view
from app.core.version import Level, Version
from tools import readme

PROJECT = pathlib.Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs/checks"
README = PROJECT / "README.md"
MARK = "<!-- Made by `make generate` from policies/; change it there. -->"
LEVELS = (Level.BASELINE, Level.RESTRICTED)
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def example_pod(example: Example) -> dict[str, Any]:
    """The whole pod that an example stands for, as somebody would write it."""
    pod = pod_of_example(example)
    spec = pod["spec"]
    for containers in CONTAINER_LISTS:
        if containers in spec:
            spec[containers] = [_as_written(container) for container in spec[containers]]
    return pod


def refusal(check: Check, example: Example) -> str:
    """What a user is told about the example, without the headline."""
    judged = Version.parse(example.version).minor
    applying = [since for since in check.versions if judged is None or (_minor(since.version) <= judged)]
    pod = view(pod_object(msgspec.json.encode(pod_of_example(example)), "example"))
    return tell(tuple(applying[-1].find(pod))).text


def _minor(version: str) -> int:
    minor = Version.parse(version).minor
    return sys.maxsize if minor is None else minor


def _as_written(container: Mapping[str, Any]) -> dict[str, Any]:
    """Name and image first."""
    return {"name": "app", "image": "registry.example/app:1"} | {"name": container.get("name", "app")} | dict(container)


def page(check: Check) -> str:
    """The page of one check, in Markdown."""
    rows = [
        ("level", str(check.level)),
        ("severity", str(check.severity)),
        ("layer of defence", str(check.layer)),
        ("since", _since(check)),
    ]
    if check.psa_id:
        rows.append(("in Pod Security Admission", f"`{check.psa_id}`"))
    lines = [
        MARK,
        "",
        f"# {check.id}: {check.title}",
        "",
        inspect.cleandoc(check.why or ""),
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "## The fix",
        "",
        check.fix,
        "",
        "## What it reads",
        "",
        *(f"- `{field}`" for field in check.fields),
        "",
    ]
    if len(check.versions) > 1:
        lines += ["## Versions", "", *_versions(check), ""]
    lines += ["## Refused", "", *_examples(check, check.bad), "## Allowed", "", *_examples(check, check.good)]
    if check.references:
        lines += ["## References", "", *(f"- {reference}" for reference in check.references), ""]
    return "\n".join(lines)


def _versions(check: Check) -> Iterable[str]:
    for since in check.versions:
        says = re.sub(r"\s+", " ", inspect.getdoc(since.find) or "").strip()
        yield f"- from {since.version} on: {says}" if says else f"- from {since.version} on"


def _examples(check: Check, examples: Iterable[Example]) -> Iterable[str]:
    for example in examples:
        judged = "" if example.version == "latest" else f" (policy version {example.version})"
        yield f"{_capital(example.title)}{judged}:"
        yield ""
        yield "```yaml"
        yield yaml.safe_dump(example_pod(example), sort_keys=False, default_flow_style=False, width=100).rstrip()
        yield "```"
        yield ""
        if example.finds:
            yield "```text"
            yield refusal(check, example)
            yield "```"
            yield ""


def _since(check: Check) -> str:
    return ", ".join(since.version for since in check.versions)


def _capital(title: str) -> str:
    word = title.split(maxsplit=1)[0]
    return f"{title[:1].upper()}{title[1:]}" if word.isalpha() and word.islower() else title


def index(checks: Iterable[Check]) -> str:
    """The page that lists all checks by level."""
    listed = sorted(checks, key=lambda check: check.id)
    lines = [
        MARK,
        "",
        "# The checks",
        "",
        "Baseline stops known ways out of a container. Restricted adds hardening that every pod should bear.",
    ]
    for level in LEVELS:
        of_level = [check for check in listed if check.level == level]
        lines += [
            "",
            f"## {level}",
            "",
            "| check | title | severity | layer of defence | since |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| [{check.id}]({check.id}.md) | {check.title} | {check.severity} | {check.layer} | {_since(check)} |"
            for check in of_level
        ]
    return "\n".join([*lines, ""])


def render(checks: Iterable[Check]) -> dict[str, str]:
    """Every generated file of docs/checks: name and content."""
    checks = tuple(checks)
    return {"README.md": index(checks), **{f"{check.id}.md": page(check) for check in checks}}


def stale(wanted: Mapping[str, str], directory: pathlib.Path) -> list[str]:
    """Names of the files that differ from what they should be, including those that should not be."""
    present = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.md")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(wanted: Mapping[str, str], directory: pathlib.Path) -> list[str]:
    """Make the directory hold exactly the wanted files; returns the names of those that changed."""
    changed = stale(wanted, directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (directory / name).write_text(wanted[name], encoding="utf-8")
        else:
            (directory / name).unlink()
    return changed


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=inspect.getdoc(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something would change")
    only_check = parser.parse_args().check
    wanted = render(catalog().checks)
    present = README.read_text(encoding="utf-8")
    text = readme.filled(present)
    old = stale(wanted, DOCS) + ([README.name] if text != present else [])
    if only_check:
        if old:
            raise SystemExit(f"out of date, run `make generate`: {', '.join(old)}")
        print(f"{len(wanted) + 1} generated files are up to date")
        return
    write(wanted, DOCS)
    README.write_text(text, encoding="utf-8")
    print(f"{len(old)} of {len(wanted) + 1} generated files changed")


if __name__ == "__main__":
    main()
