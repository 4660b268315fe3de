//! Figures of many runs, and the table that compares them.

use std::collections::BTreeMap;

/// Whose figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Klamm,
    /// Apache Kafka, warmed up.
    Kafka,
    /// Apache Kafka in its first seconds.
    KafkaCold,
    /// The other binary.
    Peer,
    /// The bare loop.
    Limit,
}

impl Column {
    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Klamm => "Klamm",
            Column::Kafka => "Kafka",
            Column::KafkaCold => "Kafka, cold",
            Column::Peer => "peer",
            Column::Limit => "bare loop",
        }
    }
}

/// Which figures are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Less,
    More,
    /// Of the machine: it says what the other figures are worth, and nobody wins it.
    Neither,
}

/// Which figure, and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    better: Better,
    /// Klamm's figure divided by Kafka's is to be at most this, or at least, where more is better.
    to_kafka: Option<f64>,
    /// The same of the bare loop's.
    to_limit: Option<f64>,
    /// Klamm's figure itself.
    absolute: Option<f64>,
}

impl Row {
    pub(super) fn less(what: impl Into<String>, unit: &'static str) -> Row {
        Row {
            what: what.into(),
            unit,
            better: Better::Less,
            to_kafka: None,
            to_limit: None,
            absolute: None,
        }
    }

    pub(super) fn more(what: impl Into<String>, unit: &'static str) -> Row {
        Row {
            better: Better::More,
            ..Row::less(what, unit)
        }
    }

    pub(super) fn of_the_machine(what: impl Into<String>, unit: &'static str) -> Row {
        Row {
            better: Better::Neither,
            ..Row::less(what, unit)
        }
    }

    pub(super) fn against_kafka(self, bar: impl Into<Option<f64>>) -> Row {
        Row {
            to_kafka: bar.into(),
            ..self
        }
    }

    pub(super) fn against_limit(self, bar: impl Into<Option<f64>>) -> Row {
        Row {
            to_limit: bar.into(),
            ..self
        }
    }

    pub(super) fn absolute(self, bar: f64) -> Row {
        Row {
            absolute: Some(bar),
            ..self
        }
    }

    fn misses(&self, bar: Option<f64>, value: Option<f64>) -> bool {
        match (bar, value, self.better) {
            (Some(bar), Some(value), Better::More) => value < bar,
            (Some(bar), Some(value), Better::Less) => value > bar,
            (_, _, Better::Neither) | (None, _, _) | (_, None, _) => false,
        }
    }

    fn bar(&self, bar: Option<f64>) -> String {
        let sign = if self.better == Better::More { "≥" } else { "≤" };
        bar.map_or(String::new(), |bar| format!("{sign} {}", number(bar)))
    }
}

/// The least, the median and the most of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Spread {
    pub(super) fn of(figures: &[f64]) -> Option<Spread> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread {
            least,
            median: f64::midpoint(below, above),
            most,
        })
    }
}

/// The figures of a scenario.
#[derive(Default)]
pub(super) struct Samples {
    rows: Vec<(Row, BTreeMap<Column, Vec<f64>>)>,
}

impl Samples {
    /// Adds a figure to its row, which is made when it is the first.
    pub(super) fn add(&mut self, row: &Row, column: Column, figure: f64) {
        println!("  {:9} {}: {} {}", column.name(), row.what, number(figure), row.unit);
        let known = |(known, _): &&mut (Row, _)| known.what == row.what && known.unit == row.unit;
        let figures = match self.rows.iter_mut().find(known) {
            Some((_, figures)) => figures,
            None => {
                self.rows.push((row.clone(), BTreeMap::new()));
                &mut self.rows.last_mut().expect("a row was pushed").1
            }
        };
        figures.entry(column).or_default().push(figure);
    }

    /// The table, with a line above that says where Kafka wins, whose rows come first; and which bars are missed.
    pub(super) fn report(&self) -> (String, Vec<String>) {
        let mut rows: Vec<Compared<'_>> = self
            .rows
            .iter()
            .map(|(row, figures)| Compared::new(row, figures))
            .collect();
        rows.sort_by_key(|row| !row.kafka_wins()); // stable: else as they were measured
        let missed: Vec<String> = rows.iter().flat_map(Compared::missed).collect();
        let won: Vec<String> = rows
            .iter()
            .filter(|row| row.kafka_wins())
            .map(|row| format!("{} ({})", row.row.what, row.row.unit))
            .collect();
        let mut text = match won.is_empty() {
            true => "Kafka wins none of these.".to_owned(),
            false => format!("Kafka wins: {}.", won.join("; ")),
        };
        match missed.is_empty() {
            true => text += " Every bar is met.",
            false => text += &format!(" Bars missed: {}.", missed.join("; ")),
        }
        let present = |column: &Column| self.rows.iter().any(|(_, figures)| figures.contains_key(column));
        let others: Vec<Column> = [Column::KafkaCold, Column::Peer, Column::Limit]
            .into_iter()
            .filter(present)
            .collect();
        let limit = others.contains(&Column::Limit);
        text += "\n\n| what | unit | Klamm | Kafka | Klamm to Kafka | bar |";
        for column in &others {
            text += &format!(" {} |", column.name());
        }
        text += if limit { " Klamm to bare loop | bar |\n" } else { "\n" };
        text += &"|---".repeat(6 + others.len() + if limit { 2 } else { 0 });
        text += "|\n";
        for row in &rows {
            text += &row.line(&others, limit);
        }
        (text, missed)
    }
}

/// A row with its medians.
struct Compared<'a> {
    row: &'a Row,
    spreads: BTreeMap<Column, Spread>,
}

impl<'a> Compared<'a> {
    fn new(row: &'a Row, figures: &BTreeMap<Column, Vec<f64>>) -> Self {
        let spread = |(column, figures): (&Column, &Vec<f64>)| Some((*column, Spread::of(figures)?));
        Compared {
            row,
            spreads: figures.iter().filter_map(spread).collect(),
        }
    }

    fn klamm(&self) -> Option<f64> {
        self.spreads.get(&Column::Klamm).map(|spread| spread.median)
    }

    /// Klamm's median to another's.
    fn ratio(&self, to: Column) -> Option<f64> {
        Some(self.klamm()? / self.spreads.get(&to)?.median)
    }

    fn kafka_wins(&self) -> bool {
        self.row.misses(Some(1.0), self.ratio(Column::Kafka))
    }

    fn missed(&self) -> Vec<String> {
        let Row { what, unit, .. } = self.row;
        let mut missed = Vec::new();
        for (bar, value, of) in [
            (self.row.to_kafka, self.ratio(Column::Kafka), " of Kafka's"),
            (self.row.to_limit, self.ratio(Column::Limit), " of the bare loop's"),
            (self.row.absolute, self.klamm(), ""),
        ] {
            if self.row.misses(bar, value) {
                let value = number(value.unwrap_or_default());
                missed.push(format!("{what}, {unit}: {value}{of}, to be {}", self.row.bar(bar)));
            }
        }
        missed
    }

    fn line(&self, others: &[Column], limit: bool) -> String {
        let cell = |column: Column| match self.spreads.get(&column) {
            Some(Spread { least, median, most }) => {
                format!(" {} ({}–{}) |", number(*median), number(*least), number(*most))
            }
            None => " |".to_owned(),
        };
        let ratio = |to: Column| self.ratio(to).map_or(String::new(), number);
        let Row { what, unit, .. } = self.row;
        let mut line = format!("| {what} | {unit} |{}{}", cell(Column::Klamm), cell(Column::Kafka));
        let bar = match self.row.absolute {
            Some(_) => self.row.bar(self.row.absolute) + " itself",
            None => self.row.bar(self.row.to_kafka),
        };
        line += &format!(" {} | {bar} |", ratio(Column::Kafka));
        for column in others {
            line += &cell(*column);
        }
        if limit {
            line += &format!(" {} | {} |", ratio(Column::Limit), self.row.bar(self.row.to_limit));
        }
        line + "\n"
    }
}

/// Three digits that say something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.0..0.095 => format!("{value:.4}"),
        0.0..0.95 => format!("{value:.3}"),
        0.0..9.5 => format!("{value:.2}"),
        0.0..95.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> = [0.0, 0.012_34, 0.333_33, 1.5, 12.34, 123.4].map(number).to_vec();
        assert_eq!(shown, ["0", "0.0123", "0.333", "1.50", "12.3", "123"]);
    }

    #[test]
    fn where_kafka_wins_stands_first() {
        let mut samples = Samples::default();
        let ahead = Row::less("big", "s/GB").against_kafka(0.5).against_limit(1.5);
        let behind = Row::more("small", "1/s").against_kafka(2.0);
        for figure in [1.0, 3.0, 2.0] {
            samples.add(&ahead, Column::Klamm, figure);
            samples.add(&ahead, Column::Kafka, figure * 4.0);
            samples.add(&ahead, Column::Limit, figure / 2.0);
            samples.add(&behind, Column::Klamm, figure);
            samples.add(&behind, Column::Kafka, figure * 2.0);
        }
        let (text, missed) = samples.report();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "Kafka wins: small (1/s). Bars missed: small, 1/s: 0.500 of Kafka's, to be ≥ 2.00; \
             big, s/GB: 2.00 of the bare loop's, to be ≤ 1.50."
        );
        assert_eq!(lines[3], "|---|---|---|---|---|---|---|---|---|");
        assert_eq!(
            lines[4],
            "| small | 1/s | 2.00 (1.00–3.00) | 4.00 (2.00–6.00) | 0.500 | ≥ 2.00 | |  |  |"
        );
        assert_eq!(
            lines[5],
            "| big | s/GB | 2.00 (1.00–3.00) | 8.00 (4.00–12.0) | 0.250 | ≤ 0.500 | 1.00 (0.500–1.50) | 2.00 | ≤ 1.50 |"
        );
        assert_eq!(missed.len(), 2);
    }

    #[test]
    fn nobody_wins_a_figure_of_the_machine() {
        let mut samples = Samples::default();
        let still = Row::of_the_machine("stood still", "ms/s");
        samples.add(&still, Column::Klamm, 2.0);
        samples.add(&still, Column::Kafka, 1.0);
        let (text, missed) = samples.report();
        assert!(missed.is_empty());
        assert!(text.starts_with("Kafka wins none of these."), "{text}");
    }

    #[test]
    fn a_bar_may_be_a_figure_of_its_own() {
        let mut samples = Samples::default();
        samples.add(&Row::less("idle", "%").absolute(1.0), Column::Klamm, 2.0);
        let (text, missed) = samples.report();
        assert_eq!(missed, ["idle, %: 2.00, to be ≤ 1.00"]);
        assert!(
            text.contains("| idle | % | 2.00 (2.00–2.00) | |  | ≤ 1.00 itself |\n"),
            "{text}"
        );
    }
}
