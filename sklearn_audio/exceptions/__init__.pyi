from ._inconsistent_version_warning import (
    InconsistentVersionWarning as InconsistentVersionWarning,
)
