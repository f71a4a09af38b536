"""Benchmarks: real data sets, peers side by side, and scaling over backends and devices.

Run ``python -m benchmarks peers`` or ``python -m benchmarks scaling`` from the root of
the checkout; ``--help`` lists the options of each.
"""
