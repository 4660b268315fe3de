//! The tools in this process, against an embedded node and against nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod bad_input;
mod bed;
mod cluster;
mod configs;
mod console_consumer;
mod console_producer;
mod dump_log;
mod generated;
mod groups;
mod kcat;
mod load;
mod manners;
mod offsets;
mod table;
mod topics;
mod unreachable;
