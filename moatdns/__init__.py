"""The program that an operator starts: command line, supervisor, and the plan that follows from a config."""
