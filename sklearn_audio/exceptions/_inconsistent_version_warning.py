"""The warning that a dump and the code that loads it differ in version."""


class InconsistentVersionWarning(UserWarning):
    """A dump was made by another version of sklearn_audio than the one that loads it.

    Its predictions may differ from those of the version that made it. scikit-learn has
    a warning of the same name for its own estimators.

    Examples
    --------
    A server should refuse such a dump rather than answer differently:

    >>> import warnings
    >>> from sklearn_audio.exceptions import InconsistentVersionWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", InconsistentVersionWarning)
    ...     # model = joblib.load("model.joblib")
    """
