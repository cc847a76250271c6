"""Mail: the few events that a person must see, to those who look after the node and to who asked."""
