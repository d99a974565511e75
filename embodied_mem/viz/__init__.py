"""Pictures of a memory and self-contained reports: `maps` (from above), `views` (in 3D), `report` (HTML)."""
