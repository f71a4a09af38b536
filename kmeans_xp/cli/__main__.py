"""``python -m kmeans_xp.cli``: the command line where its script is not on the path."""

import sys

from kmeans_xp.cli import main

if __name__ == "__main__":
    sys.exit(main())
