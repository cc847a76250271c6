"""Privacy: what this installation stores of people and clients, where, for how long, and where it leaves to."""
