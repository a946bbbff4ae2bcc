"""The command line: one file a command, and nothing that another layer could do."""
