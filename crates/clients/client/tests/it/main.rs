//! Integration tests of the client; `KLAMM_TEST_BOOTSTRAP` names a broker to use instead of an embedded node.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod admin;
mod bed;
mod cluster;
mod connection;
mod consumer;
mod fake;
mod producer;
