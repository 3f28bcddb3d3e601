"""The models: one folder a family, each with a static card and, where it is ours, its weights."""
