//! Kafka's command line tools.
//!
//! Owns what was typed, what it means, what is printed and the exit code. Knows nothing of how a node works: it asks over the wire, or reads files.
//! Entry: `run`. Driven by people and scripts through the `klamm` binary. Tests: `tests/it/`.
