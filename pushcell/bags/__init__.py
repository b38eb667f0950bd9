"""Bags: reading, writing, repair, decoding of messages."""
