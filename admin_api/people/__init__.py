"""All that the node keeps of one person: found, exported, erased, and what is out of reach."""
