"""What is looked at, as plain data: rows, ranks, ties, fronts and files. No HTML, and no writing."""
