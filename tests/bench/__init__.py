"""Measures Pratique beside Kubernetes' own Pod Security Admission webhook, on the same reviews in the same run.

    python -m tests.bench            # all of it, with a million requests against a leak (about 15 minutes)
    python -m tests.bench --short    # a few minutes, for CI

The figure that travels between machines is the ratio of CPU per request, as both servers run on the same processor, in
turns of a few seconds. Times and rates depend on the machine, and on what else runs there.
"""
