"""What stands in for `time` and `threading`, for code that is not written for virtual time."""
