"""Where traces go, by the variables that Langfuse and OpenTelemetry define. Imports nothing: it is asked first.

Langfuse takes OTLP over HTTP at ``/api/public/otel/v1/traces`` with basic authentication, public key and secret key;
version 4 of its ingestion shows spans at once
(https://langfuse.com/integrations/native/opentelemetry, https://langfuse.com/integrations/native/opentelemetry/migration-to-v4).
The variables of OpenTelemetry: https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

LANGFUSE = "https://cloud.langfuse.com"
LANGFUSE_PATH = "/api/public/otel/v1/traces"


class Target(NamedTuple):
    """One server that takes traces over OTLP/HTTP."""

    url: str
    headers: Mapping[str, str]

    @property
    def where(self) -> str:
        """The server, fit to be shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __repr__(self) -> str:
        return f"Target({self.where})"


def targets(environ: Mapping[str, str]) -> list[Target]:
    """The servers that are configured; none is the usual case."""
    if _said(environ, "OTEL_SDK_DISABLED").lower() == "true" or _said(environ, "OTEL_TRACES_EXPORTER") == "none":
        return []
    return [target for target in (_langfuse(environ), _collector(environ)) if target is not None]


def _langfuse(environ: Mapping[str, str]) -> Target | None:
    public, secret = _said(environ, "LANGFUSE_PUBLIC_KEY"), _said(environ, "LANGFUSE_SECRET_KEY")
    if not public or not secret:
        return None
    host = _said(environ, "LANGFUSE_BASE_URL") or _said(environ, "LANGFUSE_HOST") or LANGFUSE
    proof = b64encode(f"{public}:{secret}".encode()).decode()
    headers = {"authorization": f"Basic {proof}", "x-langfuse-ingestion-version": "4"}
    return Target(host.rstrip("/") + LANGFUSE_PATH, headers)


def _collector(environ: Mapping[str, str]) -> Target | None:
    url = _said(environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = _said(environ, "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not url and not base:
        return None
    said = _said(environ, "OTEL_EXPORTER_OTLP_TRACES_HEADERS") or _said(environ, "OTEL_EXPORTER_OTLP_HEADERS")
    return Target(url or f"{base.rstrip('/')}/v1/traces", _headers(said))


def _headers(said: str) -> dict[str, str]:
    """``name=value,name=value``, the values as in an address (%20)."""
    pairs = (pair.partition("=") for pair in said.split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}


def _said(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
