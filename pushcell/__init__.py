"""pushcell: the deployment stack with which a robot arm learns to push."""

__version__ = "0.1.0"
