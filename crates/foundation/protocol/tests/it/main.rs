//! Tests of the codec against Kafka's own bytes, against random messages, against another implementation, and
//! against hostile frames.

#[rustfmt::skip]
mod all_messages;
mod allocations;
mod differential;
mod entry;
mod frames;
#[path = "../../../../../xtask/src/codegen/generator/mod.rs"]
mod generator;
mod golden;
mod hostile;
mod random_wire;
mod round_trips;
mod schemas;
mod values;
mod versions;

use std::path::Path;

/// The protocol crate's directory.
fn crate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn generated_code_is_what_the_generator_makes_of_the_schema() {
    let files = generator::generate(crate_root()).expect("the schema is valid");
    let stale = generator::stale(crate_root(), &files).expect("the crate can be read");
    assert!(stale.is_empty(), "run `cargo xtask codegen`: {stale:?}");
}
