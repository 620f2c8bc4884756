"""What the asyncio loop is made of: its clock, its handles, its tasks, its threads."""
