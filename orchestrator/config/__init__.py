"""The settings of every process: read once at its start, checked together, frozen.

A value comes from the first of: an option of the command, a `HEADGATE_…` variable, the profile in use, the file of the
machine. The parts: `settings` (what can be set, and how it is loaded), `values` (from text to types), `layers` (the
places), `profiles` (the user's own file), `files` (reading and replacing such files).
"""

from orchestrator.config.layers import Layer
from orchestrator.config.profiles import Profiles
from orchestrator.config.settings import SETTINGS, Settings

__all__ = ["SETTINGS", "Layer", "Profiles", "Settings"]
