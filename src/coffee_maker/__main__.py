"""``python -m coffee_maker`` is the command ``coffee-roadmap``."""

from coffee_maker.cli.roadmap_cli import command

if __name__ == "__main__":
    command()
