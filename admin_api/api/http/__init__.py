"""HTTP as the admin API speaks it: calls and replies, problems, who may call. Nothing of any one resource."""
