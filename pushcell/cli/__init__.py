"""The ``pushcell`` command."""
