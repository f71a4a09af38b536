"""Benchmarks: real data sets, peers side by side, scaling over backends, checkouts compared.

Run ``python -m benchmarks peers``, or another command, from the root of the checkout;
``--help`` lists the commands and the options of each.
"""

PROGRAM = "python -m benchmarks"
