"""Talks to a patch over its serial line: link, validation, report, command line."""
