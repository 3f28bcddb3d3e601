"""Packs: a suite's questions as files, for any model that nobody can call, and the answers read back."""
