"""The servers side by side: how each is configured for the same job, and its command; a module a program.

What a server can be tuned in is set alike: a cache for about 10,000 answers, room for more queries in flight than the
load has, no validation, one thread or process unless its name says otherwise. All listen on 127.0.0.1 only.
"""
