//! What a load prints of itself.

use std::time::Duration;

/// Prints a line `name=value name=value`.
pub(crate) fn print(figures: &[(&str, f64)]) {
    let words: Vec<String> = figures.iter().map(|(name, value)| format!("{name}={value}")).collect();
    println!("{}", words.join(" "));
}

/// Work of many connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Of record batches.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) requests: u64,
}

impl Done {
    pub(crate) fn add(&mut self, other: Done) {
        self.bytes += other.bytes;
        self.records += other.records;
        self.requests += other.requests;
    }

    pub(crate) fn print(self, took: Duration) {
        print(&[
            ("bytes", self.bytes as f64),
            ("records", self.records as f64),
            ("requests", self.requests as f64),
            ("seconds", took.as_secs_f64()),
        ]);
    }
}
