"""Episodes: written, kept and read again."""
