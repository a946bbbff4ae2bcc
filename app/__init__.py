"""Pratique: a Kubernetes validating admission webhook that answers allow or deny, with reasons."""
