"""What our own models share while they learn: the clips, the loop of a stage, the file of the weights."""
