"""Boxes for agents: each module is an adapter of the `Sandbox` port.

``launcher.py``, ``inner.py`` and ``proxy.py`` are scripts on nothing but the standard library. The keeper starts the
launcher; it holds the limits, runs the proxy to the allowed hosts when there are any, and starts bwrap or the docker
client. ``inner.py`` is the first program in the box.
"""
