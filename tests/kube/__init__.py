"""A real Kubernetes control plane for tests: its programs built from pinned modules, started on loopback."""
