"""Keep pytest, which doctests the pages, away from the machinery that builds them."""

collect_ignore = ["conf.py", "_ext"]
