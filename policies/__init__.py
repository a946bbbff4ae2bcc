"""The checks: one rule a file, each declared as `CHECK` and found by `app.catalog` without registration.

A module holds the declaration, a pure function for each version of the rule, and examples that prove it.
"""
