"""The rule on `procMount` that two checks share: one yields to user namespaces, the other does not."""

from __future__ import annotations

from collections.abc import Iterator

from app.core.finding import Finding, shown
from app.core.pod import Pod, name_of
from app.core.wire import SecurityContext


def unmasked(pod: Pod, check: str) -> Iterator[Finding]:
    """Find containers with a `procMount` that is set and not Default, for the check of that id."""
    for container, context in pod.contexts:
        if isinstance(context, SecurityContext) and context.proc_mount is not None and context.proc_mount != "Default":
            yield Finding(
                check,
                pod.at(container, "securityContext.procMount"),
                shown(context.proc_mount),
                "be Default or unset",
                "procMount: Default",
                container=name_of(container),
            )
