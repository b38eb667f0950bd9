"""Configuration: the schema of a cell, and how YAML is read and checked."""
