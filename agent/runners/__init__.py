"""How a run is launched, and what its end means."""
