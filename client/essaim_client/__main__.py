"""`python -m essaim_client`: the same as `essaim`."""

from essaim_client.cli import main

if __name__ == "__main__":
    main()
