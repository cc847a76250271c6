"""Lists as they are found in the wild, read into rules of ours."""
