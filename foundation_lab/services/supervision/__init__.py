"""What supervisors are made of: children, OTP's rules of restart, and orderly ends."""
