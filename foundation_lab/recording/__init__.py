"""The waist: what happened, as typed columns in memory and as Parquet on disk."""
