"""Changes to the policy as admins ask for them: checked as a whole against all that is there, then written and audited.

Used by the HTTP handlers and the command line alike. Each function is one transaction; what it raises leaves the store
as it was. Rules, names and references are checked by the validators of the config file, with their texts.
"""
