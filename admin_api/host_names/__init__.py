"""Host names: what machines at addresses of clients are called, by files, local names and reverse zones. For people."""
