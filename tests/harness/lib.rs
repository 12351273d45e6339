//! What the integration tests share: ledgers to test against, and jobs to put into them. And the bench, which starts the same servers.

pub mod authority;
pub mod bench;
pub mod browser;
pub mod cluster;
pub mod daemon;
pub mod endpoint;
pub mod handlers;
pub mod jobs;
pub mod killing;
pub mod ledgers;
pub mod mail;
pub mod moto;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod python;
pub mod redis;
pub mod s3;
pub mod schedules;
pub mod seed;
pub mod server;
pub mod source;
pub mod taker;
pub mod vault;
