//! Tests of `klamm` as people meet it: a process, its command line, its sockets and its files.
//!
//! With `KLAMM_TEST_BOOTSTRAP=HOST:PORT` the tests of the protocol and of the answers run against that broker instead,
//! such as Apache Kafka's own: what they expect was found out that way. `KLAMM_TEST_SEED` repeats a random run,
//! `KLAMM_HOSTILE_SECONDS` and `KLAMM_CRASH_ROUNDS` lengthen one. `peer` compares the answers of two brokers.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod answers;
mod client;
mod command;
mod crash;
mod disks;
mod hostile;
mod limits;
mod metrics;
mod node;
mod peer;
mod protocol;
mod random;
mod restart;
mod semantics;
mod start;
mod storage;
