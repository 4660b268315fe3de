//! What goes out: data to stdout, everything else to stderr, and a reader who has gone is no error.

mod exceptions;
mod failure;
mod java;
mod masked;
mod out;

pub use exceptions::{exception, exception_of, sentence};
pub use failure::Failure;
pub use java::{Number, constant, hash_map_order, uuid};
pub use masked::masked;
pub use out::{Messages, Out, Streams};
