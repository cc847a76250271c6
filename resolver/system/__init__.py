"""The operating system's side: files of the state directory, privileges, text for terminals."""
