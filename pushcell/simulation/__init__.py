"""The simulated cell: worlds, cameras, planner and the arm's endpoint."""
