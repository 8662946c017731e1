"""``python -m bittrigger``: the command line."""

from bittrigger.cli import main

if __name__ == "__main__":
    main()
