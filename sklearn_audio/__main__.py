"""``python -m sklearn_audio``: the command line."""

import sys

from sklearn_audio._cli import main

if __name__ == "__main__":
    sys.exit(main())
