//! Columns of text, as Java's `printf` pads them.

use std::fmt::Write as _;

use crate::call::Outcome;
use crate::output::Out;

/// What stands where there is nothing.
pub(super) const MISSING: &str = "-";

/// A table whose columns are as wide as their longest cell, but not less than the heading asks for.
pub(super) struct Table {
    /// Heading and least width; a column of width 0 is not padded.
    columns: Vec<(&'static str, usize)>,
    /// How many of the columns become wider for their cells.
    growing: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, usize)]) -> Table {
        Table {
            columns: columns.to_vec(),
            growing: columns.len(),
            rows: Vec::new(),
        }
    }

    /// The last column stays as wide as the heading asks for.
    pub(super) fn with_last_fixed(mut self) -> Table {
        self.growing = self.growing.saturating_sub(1);
        self
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        for ((_, width), cell) in self.columns.iter_mut().zip(&cells).take(self.growing) {
            if *width > 0 {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.rows.push(cells);
    }

    /// The rows below their headings, after an empty line.
    pub(super) fn print(&self, out: &mut Out) -> Outcome {
        out.line("")?;
        self.print_tight(out)
    }

    /// The rows below their headings.
    pub(super) fn print_tight(&self, out: &mut Out) -> Outcome {
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        out.line(self.line(&headings))?;
        self.rows.iter().try_for_each(|row| out.line(self.line(row)))
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (index, (cell, (_, width))) in cells.iter().zip(&self.columns).enumerate() {
            let space = if index > 0 { " " } else { "" };
            let _infallible = write!(line, "{space}{cell:<width$}");
        }
        line
    }
}
