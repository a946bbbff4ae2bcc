"""Image signatures: the trust core, the registry client and the verification that joins them.

Imported only where image policies exist: sigstore and cryptography cost memory and start-up time that other users do
not pay.
"""
