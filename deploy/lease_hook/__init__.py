"""Tells moatdns who has an address: what the hooks of VPN and DHCP servers share.

Nothing but the standard library, Python 3.9 or later: it is copied to gateways that have no moatdns. `settings` and
`people` read files, `spool` keeps what is to be told, `sending` tells it, `running` is what every hook runs in. A hook
only writes to the spool, which takes milliseconds; one background process sends, in the order of writing.
"""
