//! What the integration tests share: ledgers to test against, and jobs to put into them. And the bench, which starts the same servers.

pub mod bench;
pub mod cluster;
pub mod jobs;
pub mod ledgers;
pub mod postgres;
pub mod redis;
pub mod s3;
pub mod server;
