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
