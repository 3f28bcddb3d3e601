"""A run as it is handed in: which files, under which name, signed by whom, and what makes them acceptable.

The same functions look at it on both sides: before it is sent, and when it has arrived.
"""
