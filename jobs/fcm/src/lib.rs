//! Firebase Cloud Messaging by its HTTP v1 API, over reqwest.
//!
//! The crate of this name on the registry (0.9.2) speaks only the endpoint that Google has shut down.
