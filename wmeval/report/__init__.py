"""What a person sees of a run: a table in the terminal and one page that opens from disk."""
