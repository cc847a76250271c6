"""DNS messages as bytes: no I/O, no policy. What parses bytes here raises FormatError and nothing else."""
