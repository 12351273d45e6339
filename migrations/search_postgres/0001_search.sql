-- Indexes of documents in chunks, in a schema of their own. A document's chunks are found by their vectors (`chunks`) and by their words
-- (`words`). Needs the extension `vector`.

-- Numbers of indexes and of generations are never given twice: who holds an old one finds nothing.
CREATE TABLE windrow_search.indexes (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        text   COLLATE "C" NOT NULL,
    name          text   COLLATE "C" NOT NULL,
    current       bigint NOT NULL,
    next          bigint,
    deleted_to    bytea  NOT NULL,
    created_at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX indexes_name ON windrow_search.indexes (tenant, name);

CREATE TABLE windrow_search.generations (
    number     bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    settings   text    NOT NULL,
    documents  bigint  NOT NULL,
    chunks     bigint  NOT NULL,
    words      bigint  NOT NULL,
    is_dropped bigint  NOT NULL,
    -- Whether its vectors have an index of their own, which is valid.
    is_indexed bigint  NOT NULL DEFAULT 0
);
CREATE INDEX generations_dropped ON windrow_search.generations (number) WHERE is_dropped = 1;

CREATE TABLE windrow_search.documents (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation    bigint NOT NULL,
    document_id   text   COLLATE "C" NOT NULL,
    version       bytea  NOT NULL,
    title         text,
    metadata      text   NOT NULL,
    chunks        bigint NOT NULL,
    words         bigint NOT NULL,
    written_at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX documents_id ON windrow_search.documents (generation, document_id);

-- What is walked by a search, so without texts, and its vectors where they are as long as they fit. A chunk without a vector has no words
-- that its model knows. No index names `n`: a chunk that moves within its document costs none of them anything.
CREATE TABLE windrow_search.chunks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    generation bigint NOT NULL,
    document   bigint NOT NULL,
    n          bigint NOT NULL,
    hash       bytea  NOT NULL,
    facts      bytea  NOT NULL,
    words      bigint NOT NULL,
    embedding  vector
);
ALTER TABLE windrow_search.chunks ALTER COLUMN embedding SET STORAGE MAIN;
CREATE INDEX chunks_generation ON windrow_search.chunks (generation);
CREATE INDEX chunks_hash ON windrow_search.chunks (generation, hash);
CREATE INDEX chunks_document ON windrow_search.chunks (document);

CREATE TABLE windrow_search.texts (
    chunk   bigint NOT NULL PRIMARY KEY,
    text    text   NOT NULL,
    heading text   NOT NULL,
    source  text,
    tokens  bigint NOT NULL,
    words   text   NOT NULL
);

-- Each of the terms is a word with its generation's number before it, so nobody's words are another's, and no search walks others' chunks.
CREATE TABLE windrow_search.words (
    chunk bigint NOT NULL PRIMARY KEY,
    terms text[] COLLATE "C" NOT NULL
);
-- What waits to be sorted in is read by every search: little of it.
CREATE INDEX words_terms ON windrow_search.words USING gin (terms) WITH (gin_pending_list_limit = 512);

-- Vectors that were paid for, of documents that are not complete.
CREATE TABLE windrow_search.staged (
    generation   bigint NOT NULL,
    hash         bytea  NOT NULL,
    embedding    vector,
    staged_at_ms bigint NOT NULL,
    PRIMARY KEY (generation, hash)
);
CREATE INDEX staged_age ON windrow_search.staged (staged_at_ms);

CREATE TABLE windrow_search.deletions (
    index_id      bigint NOT NULL,
    document_id   text   COLLATE "C" NOT NULL,
    version       bytea  NOT NULL,
    deleted_at_ms bigint NOT NULL,
    PRIMARY KEY (index_id, document_id)
);
CREATE INDEX deletions_age ON windrow_search.deletions (deleted_at_ms);

-- Tokens of each tenant, by the days since 1970.
CREATE TABLE windrow_search.spent (
    tenant text   COLLATE "C" NOT NULL,
    day    bigint NOT NULL,
    tokens bigint NOT NULL,
    PRIMARY KEY (tenant, day)
);
CREATE INDEX spent_day ON windrow_search.spent (day);
