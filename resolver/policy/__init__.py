"""The policy: which group an address is in, which rule decides a name, and what follows from both. Pure: no I/O."""
