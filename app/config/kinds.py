"""Every kind of policy document there is. A kind stands behind those that it refers to."""

from __future__ import annotations

from typing import Final

from app.config.image_policy import ClusterImagePolicy
from app.config.image_policy_compile import compile_policy
from app.config.kind import Kind
from app.config.trust_root import TrustRoot, compile_root

SIGSTORE: Final = "policy.sigstore.dev"

KINDS: Final = (
    Kind("TrustRoot", SIGSTORE, ("v1alpha1",), TrustRoot, compile_root),
    Kind("ClusterImagePolicy", SIGSTORE, ("v1beta1", "v1alpha1"), ClusterImagePolicy, compile_policy),
)
