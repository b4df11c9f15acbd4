"""Where the code of a deployment is, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.client.deployment_values import SentCode


def code_text(source: Mapping[str, Any], sent: SentCode | None = None) -> str:
    """`12 files, 34 KiB (sent 2.1 KiB in 1 file)` of a bundle, address and commit, or that it is at its path."""
    from orchestrator.bundles.packing import size_text

    if source.get("kind") == "git":
        inside = f", folder {source['subfolder']}" if source.get("subfolder") else ""
        return f"{source['url']} at {source['commit'][:10]}{inside}"
    if source.get("kind") != "bundle":
        return "at the same path on every machine"
    text = f"{files_text(source['files'])}, {size_text(source['bytes'])}"
    if sent is None:
        return text
    if not sent.sent_files:
        return f"{text} (nothing to send)"
    return f"{text} (sent {size_text(sent.sent_bytes)} in {files_text(sent.sent_files)})"


def files_text(count: int) -> str:
    """A number of files."""
    return f"{count:,} file{'s' * (count != 1)}"
