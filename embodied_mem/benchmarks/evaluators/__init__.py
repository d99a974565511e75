"""Scorers for published memory benchmarks, each in two modes.

`compat` gives what the published scorer gives on any input, its quirks included (each module lists them), so that figures
can be put beside published ones. `strict`, the default, is the sane rule.
"""
