"""The warning that a dump and the code that loads it differ in version."""


class InconsistentVersionWarning(UserWarning):
    """A dump was made by another version of sklearn_audio than the one that loads it.

    Its predictions may differ from those of the version that made it. scikit-learn has
    a warning of the same name for its own estimators.

    Parameters
    ----------
    estimator_name : str
        Name of the estimator's class.
    original_version : str
        The version that dumped it.
    current_version : str
        The version that loads it.

    Examples
    --------
    A server should refuse such a dump rather than answer differently:

    >>> import warnings
    >>> from sklearn_audio.exceptions import InconsistentVersionWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", InconsistentVersionWarning)
    ...     # model = joblib.load("model.joblib")
    """

    def __init__(
        self, estimator_name: str, original_version: str, current_version: str
    ) -> None:
        super().__init__(estimator_name, original_version, current_version)
        self.estimator_name = estimator_name
        self.original_version = original_version
        self.current_version = current_version

    def __str__(self) -> str:
        return (
            f"This {self.estimator_name} was dumped by sklearn_audio "
            f"{self.original_version} and is loaded by {self.current_version}: its "
            "predictions may differ. Fit it anew, or load it with the version that "
            "dumped it."
        )
