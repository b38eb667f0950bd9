"""What a person holds: every device answers ``read()`` with a `DeviceReading`."""
