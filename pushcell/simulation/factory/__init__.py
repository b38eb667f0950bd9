"""Makes simulated demonstrations by the thousand; each depends on seed and index alone."""
