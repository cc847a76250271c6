"""The web pages as people use them, in a real browser: one browser and one server for most files of this folder."""
