"""What whoever deploys can do something about; each message is one sentence.

DeployError
├── SettingsError   deploy/settings.yaml or a stage's file is wrong
├── MissingError    something that terraform creates does not exist
└── PackageError    the working tree cannot be packed
"""


class DeployError(Exception):
    """The command prints this sentence and exits with 1."""


class SettingsError(DeployError):
    """A setting is unknown, missing or has a wrong value."""


class MissingError(DeployError):
    """Something that terraform creates does not exist."""


class PackageError(DeployError):
    """The working tree cannot be packed."""
