//! Randomness from the operating system: for ids, and for the seeds that deterministic parts are given.

use std::fs::File;
use std::io::Read;

use klamm_protocol::Uuid;

/// A random number.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.expect("a Unix system has /dev/urandom");
    u64::from_ne_bytes(bytes)
}

/// A random id, as `random-uuid` prints it.
pub fn random_uuid() -> Uuid {
    Uuid::random(&mut random)
}
