//! The comparison: every cell with the reference, and the differences that are allowed to stay.
//!
//! `tests/tools/allowed.txt` has paragraphs of these lines; `*` stands for any text, and a line of a difference has to match:
//!
//! ```text
//! step: features * describe*         which steps, by their command line
//! in: klamm tools                    where: `klamm tools`, `klamm broker`, or `both` when only where both are Klamm's
//! - *UNKNOWN 33*                     a line of the reference that the other lacks
//! + *4.4-IV2*                        a line that the reference lacks
//! why: the reason
//! ```

use std::path::Path;

use super::CELLS;
use super::difference::{Difference, differences};
use super::script::{Script, Step};
use super::transcript::Transcript;
use crate::broker::Side;

/// One paragraph of the list.
#[derive(Debug, Default)]
struct Allowance {
    line: usize,
    step: String,
    place: String,
    missing: Vec<String>,
    added: Vec<String>,
    why: String,
    used: bool,
}

/// The differences that may stay.
#[derive(Debug)]
pub(super) struct Allowed(Vec<Allowance>);

impl Allowed {
    pub(super) fn read(path: &Path) -> Result<Allowed, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Allowed::parse(&text).map_err(|error| format!("{}:{error}", path.display()))
    }

    fn parse(text: &str) -> Result<Allowed, String> {
        let mut all: Vec<Allowance> = Vec::new();
        for (number, line) in (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        {
            if let Some(step) = line.strip_prefix("step: ") {
                all.push(Allowance {
                    line: number,
                    step: step.to_owned(),
                    ..Default::default()
                });
                continue;
            }
            let last = all
                .last_mut()
                .ok_or_else(|| format!("{number}: no `step: ` before it"))?;
            match line.split_at_checked(2) {
                Some(("- ", pattern)) => last.missing.push(pattern.to_owned()),
                Some(("+ ", pattern)) => last.added.push(pattern.to_owned()),
                _ => match line.split_once(": ") {
                    Some(("in", place @ ("klamm tools" | "klamm broker" | "both"))) => last.place = place.to_owned(),
                    Some(("why", why)) => last.why = why.to_owned(),
                    _ => return Err(format!("{number}: neither step, in, -, + nor why")),
                },
            }
        }
        match all.iter().find(|one| one.why.is_empty() || one.place.is_empty()) {
            Some(one) => Err(format!("{}: says not where, or not why", one.line)),
            None => Ok(Allowed(all)),
        }
    }

    /// Whether a line of a difference may be, and notes that it was.
    fn covers(&mut self, step: &Step, cell: (Side, Side), difference: &Difference) -> bool {
        let mut covered = false;
        for one in &mut self.0 {
            let here = match one.place.as_str() {
                "klamm tools" => cell.0 == Side::Klamm,
                "klamm broker" => cell.1 == Side::Klamm,
                _ => cell == (Side::Klamm, Side::Klamm),
            };
            let (patterns, line) = match difference {
                Difference::Missing(line) => (&one.missing, line),
                Difference::Added(line) => (&one.added, line),
            };
            if here && fits(&one.step, &step.line) && patterns.iter().any(|pattern| fits(pattern, line)) {
                one.used = true;
                covered = true;
            }
        }
        covered
    }
}

/// Whether `*` for any text makes the pattern the text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            let mut ends = (0..=left.len()).filter(|at| left.is_char_boundary(*at));
            ends.any(|at| fits(rest, &left[at..]))
        }),
    }
}

/// Compares what the cells said; returns what differs and is not allowed, and what is allowed and does not differ.
pub(super) fn compare(
    script: &Script,
    cells: &[Vec<Option<Transcript>>],
    mut allowed: Allowed,
    all: bool,
) -> Vec<String> {
    let (mut wrong, mut same, mut excused) = (Vec::new(), 0, 0);
    for (index, step) in script.steps.iter().enumerate() {
        let Some(reference) = &cells[0][index] else {
            continue;
        };
        let (mut open, mut found) = (String::new(), false);
        for (cell, transcripts) in CELLS.iter().zip(cells).skip(1) {
            let Some(transcript) = &transcripts[index] else {
                continue;
            };
            let differences = match cell.0 {
                Side::Apache => differences(&reference.lines, &transcript.lines),
                Side::Klamm => differences(&reference.in_any_words(reference), &transcript.in_any_words(reference)),
            };
            found |= !differences.is_empty();
            let rest: Vec<_> = differences
                .iter()
                .filter(|difference| !allowed.covers(step, *cell, difference))
                .collect();
            if !rest.is_empty() {
                open += &format!("\n  {} tools, {} broker:", cell.0, cell.1);
            }
            for difference in rest {
                open += &format!("\n    {difference}");
            }
        }
        match (found, open.is_empty()) {
            (false, _) => same += 1,
            (true, true) => excused += 1,
            (true, false) => wrong.push(format!("{} $ {}{open}", step.at, step.line)),
        }
    }
    println!(
        "{same} the same in all four, {excused} with allowed differences, {} with others",
        wrong.len()
    );
    let unused = allowed.0.iter().filter(|one| all && !one.used);
    wrong.extend(unused.map(|one| format!("allowed.txt:{}: no longer differs: {}", one.line, one.why)));
    wrong
}

/// All that was said, for people: what a step took and printed in each cell, those of the same words together.
pub(super) fn report(script: &Script, cells: &[Vec<Option<Transcript>>]) -> String {
    let mut text = String::new();
    for (index, step) in script.steps.iter().enumerate() {
        text += &format!("{} $ {}\n", step.at, step.line);
        let mut told: Vec<&[String]> = Vec::new();
        for ((tools, broker), transcripts) in CELLS.iter().zip(cells) {
            let Some(Transcript { lines, took }) = &transcripts[index] else {
                continue;
            };
            text += &format!("  {tools} tools, {broker} broker: {} ms\n", took.as_millis());
            if !told.contains(&lines.as_slice()) {
                told.push(lines);
                text.extend(lines.iter().map(|line| format!("    {line}\n")));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_says_where_and_why() {
        let text = "# c\n\nstep: a*\nin: both\n- x*\n+ y\nwhy: so\n";
        let allowed = Allowed::parse(text).unwrap();
        assert_eq!(
            (
                allowed.0[0].step.as_str(),
                allowed.0[0].missing.len(),
                allowed.0[0].added.len()
            ),
            ("a*", 1, 1)
        );
        for wrong in [
            "- x",
            "step: a\nwhy: so",
            "step: a\nin: both",
            "step: a\nin: there",
            "step: a\nnothing",
        ] {
            assert!(Allowed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
