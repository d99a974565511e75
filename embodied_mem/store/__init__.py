"""What the memory knows, as rows on disk: facts, changes, events, sightings and opaque records.

`protocol.Repository` is what layers are handed; `sqlite.SqliteRepository` keeps it in one SQLite file (import it
from there: it needs apsw, and the core does not).
"""

from embodied_mem.store.journal import Journal
from embodied_mem.store.protocol import Repository, Sighting, SightingKind

__all__ = ["Journal", "Repository", "Sighting", "SightingKind"]
