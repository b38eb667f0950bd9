"""Replaying what was recorded: the robot's own code on a virtual clock, without a robot."""
