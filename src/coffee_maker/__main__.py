"""``python -m coffee_maker`` is the command ``coffee-roadmap``."""

from coffee_maker.cli.roadmap_cli import main

if __name__ == "__main__":
    raise SystemExit(main())
