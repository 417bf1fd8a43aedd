"""What can be mended by whoever deploys; each is one sentence.

DeployError
├── SettingsError   deploy/settings.yaml or a stage's file
├── MissingError    something that terraform makes is not there
└── PackageError    the working tree cannot be packed
"""


class DeployError(Exception):
    """The command ends with this sentence and status 1."""


class SettingsError(DeployError):
    """The settings are wrong."""


class MissingError(DeployError):
    """What terraform owns is not there."""


class PackageError(DeployError):
    """There is nothing to deploy."""
