import polars as pl  # noqa: F401  (pytester forgets what its runs import first; a second one fails)
