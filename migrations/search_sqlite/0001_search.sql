-- Indexes of documents in chunks, in a file of their own. A document's chunks are found by their vectors (`chunks`) and by their words (`words`).

-- Numbers of indexes and of generations are never given twice: who holds an old one finds nothing.
CREATE TABLE indexes (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    current       INTEGER NOT NULL,
    next          INTEGER,
    deleted_to    BLOB    NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX indexes_name ON indexes (tenant, name);

CREATE TABLE generations (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    settings   TEXT    NOT NULL,
    documents  INTEGER NOT NULL,
    chunks     INTEGER NOT NULL,
    words      INTEGER NOT NULL,
    is_dropped INTEGER NOT NULL
) STRICT;
CREATE INDEX generations_dropped ON generations (number) WHERE is_dropped = 1;

CREATE TABLE documents (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    generation    INTEGER NOT NULL,
    document_id   TEXT    NOT NULL,
    version       BLOB    NOT NULL,
    title         TEXT,
    metadata      TEXT    NOT NULL,
    chunks        INTEGER NOT NULL,
    words         INTEGER NOT NULL,
    written_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX documents_id ON documents (generation, document_id);

-- What is walked by a search, so without texts. A chunk without a vector has no words that its model knows.
CREATE TABLE chunks (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    generation INTEGER NOT NULL,
    document   INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    facts      BLOB    NOT NULL,
    words      INTEGER NOT NULL,
    embedding  BLOB
) STRICT;
CREATE INDEX chunks_generation ON chunks (generation);
CREATE INDEX chunks_hash ON chunks (generation, hash);
CREATE INDEX chunks_document ON chunks (document);

CREATE TABLE texts (
    chunk   INTEGER NOT NULL PRIMARY KEY,
    text    TEXT    NOT NULL,
    heading TEXT    NOT NULL,
    source  TEXT,
    tokens  INTEGER NOT NULL,
    words   TEXT    NOT NULL
) STRICT;

-- By chunks' ids. Each word has its generation's number before it, so nobody's words are another's, and no search walks others' chunks.
CREATE VIRTUAL TABLE words USING fts5(terms, content='', contentless_delete=1, detail=none, tokenize="ascii tokenchars '_'");

-- Vectors that were paid for, of documents that are not complete.
CREATE TABLE staged (
    generation   INTEGER NOT NULL,
    hash         BLOB    NOT NULL,
    embedding    BLOB,
    staged_at_ms INTEGER NOT NULL,
    PRIMARY KEY (generation, hash)
) STRICT;
CREATE INDEX staged_age ON staged (staged_at_ms);

CREATE TABLE deletions (
    index_id      INTEGER NOT NULL,
    document_id   TEXT    NOT NULL,
    version       BLOB    NOT NULL,
    deleted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (index_id, document_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletions_age ON deletions (deleted_at_ms);

-- Tokens of each tenant, by the days since 1970.
CREATE TABLE spent (
    tenant TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_day ON spent (day);
