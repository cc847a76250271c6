"""The compiled policy and its subjects as files, and the clocks of their expiry."""
