"""From the store to a policy in force: layers of compiled rules, rounds that put changes over them."""
