"""One module for each library that takes part; `benchmarks.races` says in which race.

Each function takes a `Problem`, readies everything that is not to be timed and returns the
closure that is. Libraries are imported inside, so that only those in the race are needed.
"""
