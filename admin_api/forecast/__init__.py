"""Forecast of a roll-out: who would be hit if what groups watch were enforced."""
