"""Studies: grids of trainings, whose data are generated and whose policies are evaluated."""
