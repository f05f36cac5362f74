"""python -m heroq: the command line; with --cflags and the like what flags.py says."""

import sys

from . import flags

if __name__ == "__main__":
    if (answer := flags.answer(sys.argv[1:])) is not None:
        print(answer)
    else:
        from .cli import main

        main()
