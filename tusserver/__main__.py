"""`python -m tusserver` is the command `tusserver`."""

from tusserver.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
