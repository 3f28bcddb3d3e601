"""Planning tasks: what to reach, in the same world as the probes, and what an agent may do there."""
