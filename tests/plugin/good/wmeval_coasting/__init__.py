"""A package of somebody else's: nothing in wmeval knows its name."""
