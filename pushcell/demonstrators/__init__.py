"""Demonstrators: planner and scripted operator."""
