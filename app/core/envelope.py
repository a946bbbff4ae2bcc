"""The AdmissionReview that the apiserver sends (admission.k8s.io/v1): `wire.py` goes on."""

from __future__ import annotations

from msgspec import Raw

from app.core.wire import NIL, Wire


class GroupVersionKind(Wire):
    """meta/v1 GroupVersionKind."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None


class GroupVersionResource(Wire):
    """meta/v1 GroupVersionResource."""

    group: str | None = None
    version: str | None = None
    resource: str | None = None


class UserInfo(Wire):
    """authentication/v1 UserInfo."""

    username: str | None = None
    uid: str | None = None
    groups: Raw = NIL
    extra: Raw = NIL


class AdmissionRequest(Wire):
    """admission/v1 AdmissionRequest."""

    uid: str | None = None
    kind: GroupVersionKind | None = None
    resource: GroupVersionResource | None = None
    sub_resource: str | None = None
    request_kind: GroupVersionKind | None = None
    request_resource: GroupVersionResource | None = None
    request_sub_resource: str | None = None
    name: str | None = None
    namespace: str | None = None
    operation: str | None = None
    user_info: UserInfo | None = None
    object: Raw = NIL
    old_object: Raw = NIL
    dry_run: bool | None = None
    options: Raw = NIL


class AdmissionReview(Wire):
    """admission/v1 AdmissionReview."""

    api_version: str | None = None
    kind: str | None = None
    request: AdmissionRequest | None = None
    response: Raw = NIL
