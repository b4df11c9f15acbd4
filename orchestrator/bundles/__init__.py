"""The code of a flow as it travels: a list of files and the pieces they are made of, named by what is in them."""

from orchestrator.bundles.manifest import CHUNK_BYTES, MOST_BYTES, MOST_FILES, File, Manifest

__all__ = ["CHUNK_BYTES", "MOST_BYTES", "MOST_FILES", "File", "Manifest"]
