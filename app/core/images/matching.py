"""Which image policies concern an image in an object.

Globs are those of sigstore's policy-controller: `*` is anything but `/`, `**` is anything, the rest is literal, the
whole text must match, a bare `*` and `*/*` mean Docker Hub. An image on Docker Hub has many spellings, of which
policy-controller tries two (the full name and what the author wrote); here a glob that fits any spelling of the image
fits the image, so that nobody leaves a policy by writing `docker.io/nginx` for `nginx`. A digest reference has no tag,
whatever is written before the digest, except in the text as it was written.

A policy with label selectors concerns an object if the labels of either the object or its pod template fit: whoever
sets one of them cannot leave the policy by it.

Looking up costs a search over the globs' literal beginnings, not a pass over all policies; every match is linear in
the text (RE2).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.core.images.policy import ImagePolicy, ResourceMatch
from app.core.images.reference import DOCKER_HUB, Reference

MAX_GLOB: Final = 512
"""Longest glob in characters; a reference is hardly longer."""
GLOB_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:/*.@")
_BARE: Final = {"*": f"{DOCKER_HUB}/library/*", "*/*": f"{DOCKER_HUB}/*/*"}
_LIBRARY: Final = "library/"
_REMEMBERED: Final = 4096
_NO_LABELS: Final[tuple[Mapping[str, str], ...]] = ({},)


class InvalidGlob(ValueError):  # noqa: N818 - what it is, not that it is one
    """A text that is no glob of policy-controller's kind."""


class Glob:
    """One pattern over the spellings of a reference."""

    __slots__ = ("_expression", "_literal", "prefix", "suffix", "text")

    def __init__(self, text: str) -> None:
        """Compile. Raises InvalidGlob: empty, too long, or with characters that globs do not have."""
        if not text:
            raise InvalidGlob("must not be empty")
        if len(text) > MAX_GLOB:
            raise InvalidGlob(f"must be no more than {MAX_GLOB} characters")
        strange = sorted(set(text) - GLOB_CHARACTERS)
        if strange:
            raise InvalidGlob(
                f"`{strange[0]}` is not allowed: a glob has letters, digits, `-_:/.@`, `*` (no `/`) and `**` (anything)"
            )
        self.text = text
        full = _BARE.get(text, text)
        self.prefix = full.partition("*")[0]
        """What every matching text starts with; the whole glob if it has no wildcard."""
        self.suffix = full.rpartition("*")[2]
        """What every matching text ends with."""
        self._literal = max(full.split("*"), key=len)
        self._expression = None if self.prefix == full else _compile(full)

    @property
    def exact(self) -> bool:
        """Whether the glob has no wildcard."""
        return self._expression is None

    def fits(self, text: str) -> bool:
        """Whether the whole of one spelling matches."""
        if self._expression is None:
            return text == self.prefix
        # Plain searches are a hundred times cheaper than an expression, and one of them nearly always says no.
        return (
            self._literal in text
            and text.startswith(self.prefix)
            and text.endswith(self.suffix)
            and self._expression.fullmatch(text) is not None
        )


def _compile(glob: str) -> Any:
    """The RE2 expression of a glob; `***` reads as `**` and then `*`, as in policy-controller."""
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - only servers with image policies pay for it

    parts = (re2.escape(part).replace(r"\*", "[^/]*") for part in glob.split("**"))
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    return re2.compile(".*".join(parts), options)


def spellings(reference: Reference, raw: str) -> tuple[str, ...]:
    """Every text that a glob may fit: the full name first, what the author wrote last.

    On Docker Hub that includes the short forms; `:latest` may be left out, because a runtime adds it.
    """
    names = [reference.context]
    if reference.registry == DOCKER_HUB:
        repository = reference.repository
        names += [f"docker.io/{repository}", repository]
        if repository.startswith(_LIBRARY):
            short = repository.removeprefix(_LIBRARY)
            if "/" not in short:
                names += [f"docker.io/{short}", short]
    if reference.digest:
        texts = [f"{name}@{reference.digest}" for name in names]
    else:
        texts = [f"{name}:{reference.tag}" for name in names]
        if reference.tag == "latest":
            texts += names
    if raw not in texts:
        texts.append(raw)
    return tuple(texts)


class _Entry(NamedTuple):
    glob: Glob
    policy: int


class PolicySet:
    """Compiled image policies, in the order of their names; never changed."""

    __slots__ = ("_chain", "_entries", "_keys", "_remembered", "policies")

    def __init__(self, policies: Iterable[ImagePolicy] = ()) -> None:
        """Index the policies. Raises InvalidGlob; the documents' loader has told it better before."""
        self.policies: tuple[ImagePolicy, ...] = tuple(sorted(policies, key=lambda policy: policy.name))
        by_prefix: dict[str, list[_Entry]] = {}
        for index, policy in enumerate(self.policies):
            for text in policy.images:
                glob = Glob(text)
                by_prefix.setdefault(glob.prefix, []).append(_Entry(glob, index))
        self._keys = sorted(by_prefix)
        self._entries = [tuple(by_prefix[key]) for key in self._keys]
        # For each key, the longest other key that it starts with (-1: none). In sorted order that is the previous key
        # or one that the previous key starts with.
        self._chain: list[int] = []
        for index, key in enumerate(self._keys):
            parent = index - 1
            while parent >= 0 and not key.startswith(self._keys[parent]):
                parent = self._chain[parent]
            self._chain.append(parent)
        # Few images make most requests. A memory of pure results: it decides nothing.
        self._remembered: dict[tuple[str, str], tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        """Whether there is any policy."""
        return bool(self.policies)

    def policies_for(  # noqa: PLR0913, PLR0917 - what an object is, spread out: this runs for every image
        self,
        reference: Reference,
        raw_text: str,
        group: str,
        version: str,
        resource: str,
        labels: Sequence[Mapping[str, str]] = (),
    ) -> tuple[ImagePolicy, ...]:
        """All policies that must be satisfied by an image of an object; empty if none concerns it.

        Args:
            reference: the image.
            raw_text: the image as it was written.
            group: API group of the object under review, '' for the core group.
            version: its version.
            resource: its resource, in plural, without a subresource.
            labels: those of the object and those of its pod template; one that fits a selector is enough.
        """
        found = self._by_image(reference, raw_text)
        if not found:
            return ()
        sets = labels or _NO_LABELS
        return tuple(
            policy
            for policy in (self.policies[index] for index in found)
            if not policy.matches or any(concerns(one, group, version, resource, sets) for one in policy.matches)
        )

    def _by_image(self, reference: Reference, raw: str) -> tuple[int, ...]:
        key = (reference.name, raw)
        known = self._remembered.get(key)
        if known is None:
            found: set[int] = set()
            for text in spellings(reference, raw):
                self._collect(text, found)
            known = tuple(sorted(found))
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = known
        return known

    def _collect(self, text: str, found: set[int]) -> None:
        # Keys that the text starts with form one chain, and the text's predecessor in sorted order has them all.
        keys, chain = self._keys, self._chain
        index = bisect_right(keys, text) - 1
        while index >= 0:
            if text.startswith(keys[index]):
                for glob, policy in self._entries[index]:
                    if policy not in found and glob.fits(text):
                        found.add(policy)
            index = chain[index]


def concerns(
    match: ResourceMatch, group: str, version: str, resource: str, labels: Sequence[Mapping[str, str]]
) -> bool:
    """Whether an entry of a policy's `match` concerns an object; '' and '*' stand for anything."""
    return (
        _same(match.resource, resource)
        and _same(match.group, group)
        and _same(match.version, version)
        and any(selects(match, one) for one in labels)
    )


def _same(wanted: str, actual: str) -> bool:
    return wanted in ("", "*") or wanted == actual


def selects(match: ResourceMatch, labels: Mapping[str, str]) -> bool:
    """Whether labels fit the selector, by the rules of Kubernetes: an absent key fits NotIn and DoesNotExist."""
    for key, value in match.match_labels.items():
        if labels.get(key) != value:
            return False
    for key, operator, values in match.match_expressions:
        value_here = labels.get(key)
        if operator == "In":
            fits = value_here is not None and value_here in values
        elif operator == "NotIn":
            fits = value_here is None or value_here not in values
        elif operator == "Exists":
            fits = value_here is not None
        elif operator == "DoesNotExist":
            fits = value_here is None
        else:
            # The loader lets no other operator through; one that came all the same must not free an object of a policy.
            fits = True
        if not fits:
            return False
    return True
