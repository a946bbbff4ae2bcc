"""What people write: manifests and configuration files, read as Kubernetes reads them and checked before use."""
