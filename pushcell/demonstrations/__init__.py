"""Generation of demonstrations in simulation, and DAgger."""
