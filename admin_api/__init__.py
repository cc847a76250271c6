"""The control plane: store, admin API and statistics. Until it is here, the policy is the config file's alone."""
