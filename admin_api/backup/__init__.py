"""Backups: all that a node needs to be itself again, in one file, and the way back from it.

`container` is the file's form, `encryption` its lock, `tables` the store's rows in a form that either engine takes,
`state` the files of the state directory that belong to it. `making` writes one, `restoring` reads one.
"""
