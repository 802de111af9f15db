"""`argparse` as it is without `gettext`, whose search for translations (with `locale`) takes longer than all parsing.

Our own words have no translation either, so a help half in another language would help nobody.
"""

from __future__ import annotations

__all__ = ["SUPPRESS", "ArgumentParser", "RawDescriptionHelpFormatter"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
else:
    import sys
    from types import ModuleType

    plain = ModuleType("gettext")
    plain.gettext, plain.ngettext = str, lambda one, many, count: one if count == 1 else many
    used = sys.modules.setdefault("gettext", plain)
    from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter

    if used is plain:
        del sys.modules["gettext"]
