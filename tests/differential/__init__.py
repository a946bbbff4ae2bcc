"""Differential fuzzing: Pratique beside Kubernetes' own Pod Security Admission webhook, on the same generated reviews.

`python -m tests.differential --reviews N --seed S` compares, for every review, the verdict, the failed checks of each
mode, the levels that applied, exemptions and label errors. The parts, in the order one review meets them:

- `values`, `pods`, `reviews`: the generator; review number `i` of seed `s` is always the same, whatever ran before.
- `worlds`: the configurations (defaults, exemptions), namespaces and existing pods that the reviews refer to.
- `reference`, `wire`: the reference webhook's process and a pipelining client for it.
- `verdict`: both sides' answers in one vocabulary; the reference's text is parsed exactly or the run stops.
- `ours`: Pratique, by function and through its HTTPS endpoint.
- `compare`: the comparison and the table of intended differences.
- `shrink`, `replay`: what happens to a disagreement.
- `reach`: branch coverage of the checks under the generator.
"""
