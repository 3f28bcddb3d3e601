"""A model in another process: the messages, what answers them, the server. See docs/remote.md."""
