-- What schema 2 adds: the robots' way and what was in view, the entities of events, words to search, audited writes.
CREATE TABLE glimpses (
    glimpse_id INTEGER PRIMARY KEY,
    robot TEXT NOT NULL,
    sensor TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    known INTEGER NOT NULL,
    pose TEXT NOT NULL,
    seen TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX glimpses_by_time ON glimpses (stamp);

CREATE TABLE event_links (
    link_id INTEGER PRIMARY KEY,
    event_id INTEGER NOT NULL,
    entity_id TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX links_of_event ON event_links (event_id);
CREATE INDEX links_of_entity ON event_links (entity_id);

CREATE TABLE audits (
    operation_id INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    subject TEXT NOT NULL,
    known INTEGER NOT NULL,
    opened TEXT NOT NULL,
    closed TEXT NOT NULL,
    crc INTEGER NOT NULL
);

CREATE VIRTUAL TABLE words USING fts5 (entity_id UNINDEXED, text, tokenize = 'porter unicode61');
