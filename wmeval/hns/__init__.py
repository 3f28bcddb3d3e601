"""Human-normalised scores of Atari 100k: one's own runs beside the published ones, each with its source."""
