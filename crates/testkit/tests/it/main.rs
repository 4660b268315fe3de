//! A node in its own process, met at its sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]
mod connections;
mod lifecycle;
mod metadata;
mod not_offered;
mod nulls;
mod producer_ids;
mod proxy;
mod repeats;
