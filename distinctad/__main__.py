"""`python -m distinctad`."""

from distinctad.cli import main

if __name__ == "__main__":
    main()
