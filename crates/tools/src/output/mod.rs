//! What goes out: data to stdout, everything else to stderr, and a reader who has gone is no error.

mod exceptions;
mod failure;
mod out;

pub use exceptions::{exception, exception_of};
pub use failure::Failure;
pub use out::{Messages, Out, Streams};
