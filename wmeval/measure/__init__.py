"""Pure functions on frames and features: pixels, perceptual distances, distances of sets."""
