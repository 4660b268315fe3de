//! klamm-net over real sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]
mod client;
mod frames;
mod listeners;
mod server;
mod writes;
