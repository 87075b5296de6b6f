"""`python -m monitoring_sdk.cli` is `monitoring`."""

from monitoring_sdk.cli import main

if __name__ == "__main__":
    main()
