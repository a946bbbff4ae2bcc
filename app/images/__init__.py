"""Image signatures: the trust core, the registry client and the verification that joins them.

Imported only where image policies exist: sigstore and cryptography cost memory and start-up time that other users do
not pay.

engine      what the server and the command line call: `Verifier.known`, `Verifier.verify`; its docstring says how
roots       the trust roots in force, refreshed in the background; root_sources: where they come from
cache       what is remembered, and for how long
verify      one image and one policy: discovery finds candidates, trust judges them, conditions read what they say
trust       the trust core: pure
registry    the client for OCI registries
"""
