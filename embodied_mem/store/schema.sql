-- Every row carries `crc`, a CRC-32 of its other columns: byte damage that SQLite's own check misses is found on
-- reading. Times are int64 nanoseconds; positions are float64 metres in world.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE facts (
    fact_id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    predicate TEXT NOT NULL,
    object TEXT,
    text TEXT,
    number REAL,
    placement TEXT,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    known_from INTEGER NOT NULL,
    known_to INTEGER,
    confidence REAL NOT NULL,
    evidence TEXT NOT NULL,
    source TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX facts_of_subject ON facts (subject, predicate);
CREATE INDEX facts_by_text ON facts (predicate, text);
CREATE INDEX facts_now ON facts (predicate, subject) WHERE known_to IS NULL;

CREATE TABLE changes (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    before TEXT,
    after TEXT,
    after_ns INTEGER NOT NULL,
    before_ns INTEGER NOT NULL,
    known_from INTEGER NOT NULL,
    known_to INTEGER,
    crc INTEGER NOT NULL
);
CREATE INDEX changes_of_entity ON changes (entity_id);
CREATE INDEX changes_by_time ON changes (before_ns);

CREATE TABLE events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    end_ns INTEGER NOT NULL,
    known INTEGER NOT NULL,
    crc INTEGER NOT NULL
);

CREATE TABLE sightings (
    sighting_id INTEGER PRIMARY KEY,
    entity_id TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    known INTEGER NOT NULL,
    kind TEXT NOT NULL,
    place INTEGER NOT NULL,
    x REAL,
    y REAL,
    z REAL,
    source TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX sightings_of_entity ON sightings (entity_id, stamp);

CREATE TABLE records (
    record_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload BLOB NOT NULL,
    crc INTEGER NOT NULL,
    UNIQUE (kind, key)
);
