"""HTTP as the admin API speaks it: calls and replies, problems, who may call, and the description. No resource's own."""
