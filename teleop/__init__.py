"""A person's hand on the cell: devices, their mapping to the table, the operator's console."""
