"""Four eyes: what opens a name waits until a token of another owner approves it."""
