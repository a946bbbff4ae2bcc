"""The pure core: bytes and values in, values and bytes out; no clock, network, logging, environment or locks."""
