"""The packages here are installed by the test and never imported from where they lie."""

collect_ignore = ["good", "broken"]
