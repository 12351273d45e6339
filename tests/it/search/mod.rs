//! What every search store promises: a case is a function of a store and its clock, and the list at the head of each file makes a test of
//! it for memory, SQLite, PostgreSQL, and both of these with vectors in Qdrant. And random histories that all of them must tell alike.

#[macro_use]
mod conformance;

mod atomic;
mod attack;
mod corpus;
mod documents;
mod finding;
mod history;
mod indexes;
mod kill;
mod near;
mod page;
mod qdrant;
mod reindex;
mod tokens;

/// The statements of a put that adds, moves and removes.
const PUT_STEPS: [&str; 16] = [
    "hold_index",
    "deletion",
    "held_document",
    "lying",
    "touch_staged",
    "known",
    "store_document",
    "add_chunks",
    "store_texts",
    "store_words",
    "move_chunks",
    "remove_words",
    "remove_texts",
    "remove_chunks",
    "count",
    "forget_staged",
];
