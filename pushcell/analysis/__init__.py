"""What a policy has learned of several data sets: probes, pictures, errors, nearest chunks."""
