"""Drivers of arms (and cameras) behind one interface each."""
