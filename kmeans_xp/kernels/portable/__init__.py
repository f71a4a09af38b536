"""The specification of every operation, in the array-API standard alone."""
