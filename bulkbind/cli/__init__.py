"""The command line: arguments -> settings -> one call into job -> exit code."""
