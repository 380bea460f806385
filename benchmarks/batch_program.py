"""`nephi` with a search over a small cube, so that a case takes a second and all of it is still computed.

The workers of a batch load the file that their run was started from, and so search the small cube too.
"""

import sys

from NePhiCore import encoder

encoder.SEARCH_SIZE = 48

if __name__ == "__main__":
    from NePhiCore.cli import main

    sys.exit(main())
