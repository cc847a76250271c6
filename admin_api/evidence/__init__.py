"""Evidence of what was in force: noted as it happens, and told for a period that is over."""
