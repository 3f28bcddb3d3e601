"""The command line: click, one short file a command, each one call into the library."""
