"""Learning from episodes: data sets, policies, training, export. Needs no simulator and no ROS."""
