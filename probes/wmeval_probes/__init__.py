"""The questions: physical concepts, suites and their anchors, scenes to train on, and a video encoder."""
