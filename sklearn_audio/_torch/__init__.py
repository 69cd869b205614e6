"""The training engine: what every torch estimator shares.

This package is the only importer of skorch. Its modules are imported one by one, so
that a front end which needs torch alone does not pay for the rest.
"""
