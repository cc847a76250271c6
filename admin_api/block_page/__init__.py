"""The page that blocked names lead to where the policy answers with an address: the one that strangers reach.

It shares nothing with the admin API's routes: sockets, server, bounds and templates are its own. It has no session, no
cookie and no script, and what a browser says (Host, path, form) is hostile text until it is read otherwise.
"""
