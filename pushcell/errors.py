"""The one base exception of the package.

A message says what happened, to which thing, and what to do about it.
"""


class PushcellError(Exception):
    """Something a person can mend. Commands print it in one sentence and exit with 2."""


class ConfigError(PushcellError):
    """A configuration file that cannot be used: names file, key, value and what is allowed."""


class PlanningError(PushcellError):
    """No plan exists, or none was found, from the state that the message names."""


class ArmLinkError(PushcellError):
    """The link to the arm is taken, silent or broken."""


class LaunchError(PushcellError):
    """A launch that cannot be done: names the file, the tag and what is known or free."""


class EpisodeError(PushcellError):
    """An episode or a data set that cannot be written or read: names it and what is wrong."""


class BundleError(PushcellError):
    """A policy bundle that cannot be used: names the bundle, what is wrong, and both values."""


class CalibrationError(PushcellError):
    """Data that cannot be calibrated from: says which, why, and what to do."""


class TrainingError(PushcellError):
    """A training or an export that cannot be done: names the data set, file, episode and key."""


class CameraError(PushcellError):
    """A camera that is missing, taken, or not as asked for: says which and what to do."""


class ClusterError(PushcellError):
    """Machines that are to work together and do not: says which, why, and what to do."""


class PhysicsError(PushcellError):
    """A simulated world that its solver cannot carry on with: says when and why."""
