"""Processes of the operating system: workers, priority, environment."""
