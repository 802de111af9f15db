"""`completion`: the script that a shell needs to complete our command lines."""

from __future__ import annotations

from argparse import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser

EXAMPLES = """
  coffee-roadmap completion bash >> ~/.bashrc
  coffee-roadmap completion zsh >> ~/.zshrc       behind the line with compinit
  coffee-roadmap completion fish > ~/.config/fish/completions/coffee-roadmap.fish
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="bash|zsh|fish")


def run(args: Namespace, output: Output) -> int:
    from argcomplete.shell_integration import shellcode

    script = shellcode(["coffee-roadmap"], shell=args.shell)
    if output.json:
        output.show("completion", {"shell": args.shell, "script": script})
    else:
        output.write(script.rstrip("\n") + "\n")
    return 0
