"""The imperative shell of the webhook: connections, TLS, probes, draining, and the one walk a review takes."""
