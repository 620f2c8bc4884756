"""A network in memory, in place of sockets: connections of asyncio code in virtual time."""
