"""What image policies and their results are: plain, immutable values without I/O or cryptography.

The server imports this package always; `app.images`, which brings sigstore and cryptography, only where image policies
exist.
"""
