"""How well something pushes: many trials, and figures with their intervals."""
