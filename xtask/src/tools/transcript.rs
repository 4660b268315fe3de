//! What a step printed and how it ended, as lines to compare: `exit 0`, `| standard output`, `! standard error`.
//!
//! Replaced is what no two runs share: addresses, directories, random ids, times, the order of what Java keeps in a hash set.
//! Left out is what differs by design: the table of options after an error, stack frames, our `hint:` and `from:` lines, and
//! log lines, which are switched off in Java and start with their level in ours. A Java exception that a tool did not catch is
//! marked `~`: our tools say the same in their own words, behind `error: `. It is left out where stdout has its words.

use std::time::Duration;

use super::difference::differences;
use super::script::Manner;

/// Texts of a cell and their placeholders. Longer texts come before those that they contain.
#[derive(Debug)]
pub(super) struct Replacements(pub(super) Vec<(String, &'static str)>);

impl Replacements {
    /// Puts the cell's own texts in place of `$B` and its like.
    pub(super) fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (own, name)| text.replace(name, own))
    }

    /// The other way.
    pub(super) fn hide(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (own, name)| without(&text, own, name))
    }
}

/// Puts `name` in the place of `own`; but a port that is a part of a longer number, as a time may have, is none.
fn without(text: &str, own: &str, name: &str) -> String {
    let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let mut replaced = String::new();
    let mut end = 0;
    for (at, _) in text.match_indices(own) {
        let in_number = is_digit(text[..at].bytes().last()) && is_digit(own.bytes().next())
            || is_digit(text[at + own.len()..].bytes().next()) && is_digit(own.bytes().last());
        if !in_number {
            replaced += &text[end..at];
            replaced += name;
            end = at + own.len();
        }
    }
    replaced + &text[end..]
}

/// What a step printed and how it ended.
#[derive(Clone, Debug)]
pub(super) struct Transcript {
    pub(super) lines: Vec<String>,
    pub(super) took: Duration,
}

impl Transcript {
    pub(super) fn of(exit: &str, out: &str, err: &str, manner: Manner, took: Duration) -> Transcript {
        let mut lines = vec![format!("exit {exit}")];
        if manner.help {
            lines.extend((!out.is_empty() || !err.is_empty()).then(|| "(help)".to_owned()));
            return Transcript { lines, took };
        }
        let (out, mut err) = (essence(out), essence(err));
        err.retain(|line| !line.strip_prefix('~').is_some_and(|exception| is_told(exception, &out)));
        for (mark, text) in [('|', out), ('!', err)] {
            let mut printed: Vec<String> = text.iter().map(|line| format!("{mark}{line}")).collect();
            printed.iter_mut().for_each(|line| *line = steady(line, manner.numbers));
            if manner.sorted {
                printed.sort();
            }
            for line in printed {
                if !(manner.once && lines.contains(&line)) {
                    lines.push(line);
                }
            }
        }
        Transcript { lines, took }
    }

    /// With placeholders also in what argparse had parted at hyphens.
    pub(super) fn hidden(mut self, replacements: &Replacements) -> Transcript {
        self.lines.iter_mut().for_each(|line| *line = replacements.hide(line));
        self
    }

    /// Of tools that are compared in another place.
    pub(super) fn alike() -> Transcript {
        Transcript {
            lines: vec!["(alike)".to_owned()],
            took: Duration::ZERO,
        }
    }

    /// What is different from what Apache Kafka's tool said in the same place.
    pub(super) fn compared_with(&self, reference: &Transcript) -> Transcript {
        let differences = differences(&reference.in_any_words(reference), &self.in_any_words(reference));
        let lines = match differences.is_empty() {
            true => {
                return Transcript {
                    took: self.took,
                    ..Transcript::alike()
                };
            }
            false => differences.iter().map(ToString::to_string).collect(),
        };
        Transcript { lines, took: self.took }
    }

    /// The lines for a comparison of our tools with Apache Kafka's: errors in words of each are the same.
    pub(super) fn in_any_words(&self, reference: &Transcript) -> Vec<String> {
        let said = |line: &str| {
            let mut exceptions = reference.lines.iter().filter_map(|line| line.split_once('~'));
            exceptions.any(|(mark, words)| {
                let ours = line.strip_prefix(mark).and_then(|line| line.strip_prefix(' '));
                ours.is_some_and(|ours| words == ours || words.ends_with(&format!(": {ours}")))
            })
        };
        let plain = |line: &String| match line {
            line if line.starts_with("!~") || line.starts_with("! error: ") || said(line) => "! (error)".to_owned(),
            line => line.clone(),
        };
        self.lines.iter().map(plain).collect()
    }
}

/// Whether stdout has the words of an exception, without the classes that it is wrapped in.
fn is_told(exception: &str, out: &[String]) -> bool {
    let words = exception
        .rsplit_once("Exception: ")
        .map_or(exception, |(_, words)| words);
    !words.is_empty() && out.iter().any(|line| line.contains(words))
}

/// The lines of a text without help and stack frames. A line begins with a space, or with `~` if it is an exception's.
fn essence(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut all = text.lines().filter(|line| !is_ours(line)).peekable();
    let (mut in_usage, mut in_trace, mut in_log) = (false, false, false);
    while let Some(line) = all.next() {
        if line.starts_with("Option ") && line.contains("Description") {
            break; // the table of options goes to the end
        }
        in_usage = (in_usage && !is_mistake(line)) || line.starts_with("usage: ");
        if in_usage {
            continue;
        }
        if is_mistake(line) {
            lines.push(format!(" {}", unjustified(std::iter::once(line).chain(all))));
            break;
        }
        let of_log = in_log && exception(line).is_some();
        in_log = ["WARN ", "ERROR ", "INFO "].iter().any(|level| line.starts_with(level));
        in_trace = line.starts_with("\tat ")
            || line.starts_with("\t... ")
            || line.starts_with("Caused by: ")
            || (in_trace && (line.starts_with('\t') || line.trim().is_empty()));
        if in_trace || in_log || of_log {
            continue;
        }
        let traced = all.peek().is_some_and(|next| next.starts_with("\tat "));
        match exception(line).or(traced.then_some(line)) {
            Some(exception) => {
                let told = lines.last().is_some_and(|last| {
                    let last = last.trim_start_matches('~').trim();
                    !last.is_empty() && (exception.contains(last) || last.contains(exception))
                });
                if !told {
                    lines.push(format!("~{exception}"));
                }
            }
            None => lines.push(format!(" {line}")),
        }
    }
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// Whether argparse complains: `kafka-storage:  error:  too  few  arguments`.
fn is_mistake(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(program, rest)| !program.contains(' ') && rest.trim_start().starts_with("error:"))
}

/// The exception of a line that starts with the name of its class.
fn exception(line: &str) -> Option<&str> {
    let line = line.strip_prefix("Exception in thread \"main\" ").unwrap_or(line);
    let class = line.split(':').next().unwrap_or_default();
    let is_name = class
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '$' || c == '_');
    let fails = class.ends_with("Exception") || class.ends_with("Error");
    (is_name && fails && class.contains('.')).then_some(line)
}

/// What stands behind these words is random or counted.
const LABELS: &[(&str, &str)] = &[
    ("TopicId: ", "$ID"),
    ("producerId: ", "$N"),
    (" crc: ", "$CRC"),
    ("[B@", "$HASH"),
    ("\tEpoch: ", "$N"),
    ("  Epoch: ", "$N"),
];

/// A line without what is random or measured.
fn steady(line: &str, numbers: bool) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut text = String::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let fresh = at == 0 || !is_word(chars[at - 1]);
        if let Some(length) = date(rest).filter(|_| fresh) {
            text += "$DATE";
            at += length;
        } else if let Some(length) = uuid(rest) {
            text += "$UUID";
            at += length;
        } else if fresh && is_word(rest[0]) {
            let word: String = rest.iter().take_while(|c| is_word(**c)).collect();
            at += word.chars().count();
            text += &match LABELS.iter().find(|(label, _)| text.ends_with(label)) {
                Some((_, value)) if word != "-1" => (*value).to_owned(),
                _ => steady_word(&word),
            };
        } else {
            text.push(rest[0]);
            at += 1;
        }
    }
    let text = with_sorted_lists(&without_repeats(&text));
    if numbers { without_numbers(&text) } else { text }
}

/// One sign for bytes that are no UTF-8, of which Java and we count differently many.
fn without_repeats(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    chars.dedup_by(|one, other| *one == '\u{fffd}' && one == other);
    chars.into_iter().collect()
}

/// Options in brackets, and valid words at the end of a line, in the order of the alphabet: in Java's they come as a hash set
/// has them, whose order changes from run to run.
fn with_sorted_lists(line: &str) -> String {
    const ENDS: &[&str] = &["Valid states are: ", "Valid types are: "];
    if let Some((start, end)) = ENDS
        .iter()
        .find_map(|end| line.split_at_checked(line.find(end)? + end.len()))
    {
        let mut words: Vec<&str> = end.split(", ").collect();
        words.sort_unstable();
        return format!("{start}{}", words.join(", "));
    }
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('[') {
        text += &rest[..at];
        rest = &rest[at..];
        let mut names = Vec::new();
        loop {
            let next = match names.is_empty() {
                true => Some(rest),
                false => rest.strip_prefix(", "),
            };
            let Some((name, after)) = next.and_then(bracketed) else {
                break;
            };
            names.push(name);
            rest = after;
        }
        names.sort_unstable();
        text += &names.join(", ");
        if names.is_empty() {
            text.push('[');
            rest = &rest[1..];
        }
    }
    text + rest
}

/// `[an-option]` at the start, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let name = text.strip_prefix('[')?;
    let end = name.find(']')?;
    let fits = end > 0
        && name[..end]
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.');
    fits.then(|| text.split_at(end + 2))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn steady_word(word: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_id(word) {
        return "$ID".to_owned();
    }
    if word.len() == 13 && word.starts_with('1') && is_number(word) {
        return "$MS".to_owned();
    }
    // Kafka's tools make up groups such as console-consumer-12345; with a UUID behind it is handled piece by piece.
    match word.rsplit_once('-') {
        Some((stem, number)) if stem.ends_with("-consumer") && is_number(number) => format!("{stem}-$N"),
        _ if word.len() > 36 && uuid(&word.chars().skip(word.len() - 36).collect::<Vec<_>>()).is_some() => {
            format!("{}$UUID", &word[..word.len() - 36])
        }
        _ => word.to_owned(),
    }
}

/// Whether a word is 16 random bytes in base 64, and no name: of those of letters alone it has capitals beside each other or
/// many changes between capitals and small letters.
fn is_id(word: &str) -> bool {
    let is_capital = |byte: &u8| byte.is_ascii_uppercase();
    let letters_alone = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let pairs = || word.as_bytes().windows(2);
    let changes = pairs()
        .filter(|pair| is_capital(&pair[0]) != is_capital(&pair[1]))
        .count();
    let beside = pairs().any(|pair| pair.iter().all(is_capital));
    word.len() == 22 && word.as_bytes().iter().any(is_capital) && (!letters_alone || beside || changes >= 9)
}

/// The length of a UUID at the start.
fn uuid(chars: &[char]) -> Option<usize> {
    let fits = |(index, c): (usize, &char)| match index {
        8 | 13 | 18 | 23 => *c == '-',
        _ => c.is_ascii_hexdigit(),
    };
    (chars.len() >= 36 && chars[..36].iter().enumerate().all(fits)).then_some(36)
}

/// Whether our tools alone have such a line.
fn is_ours(line: &str) -> bool {
    line.starts_with("  hint: ") || line.starts_with("  from: ")
}

/// The sentence that argparse justified, over as many lines as it took. It breaks lines after hyphens too.
fn unjustified<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut sentence = String::new();
    for line in lines {
        if !sentence.is_empty() && !sentence.ends_with('-') {
            sentence.push(' ');
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        sentence.push_str(&words.join(" "));
    }
    sentence
}

/// The length of a date with a time at the start: `2026-11-21 15:03:22:123`, `2026-11-21T15:03:22.123Z`.
fn date(chars: &[char]) -> Option<usize> {
    let pattern = "0000-00-00 00:00:00";
    let fits = |(wanted, c): (char, &char)| match wanted {
        '0' => c.is_ascii_digit(),
        ' ' => matches!(c, ' ' | 'T'),
        other => *c == other,
    };
    if chars.len() < pattern.len() || !pattern.chars().zip(chars).all(fits) {
        return None;
    }
    let after = &chars[pattern.len()..];
    let fraction = match after {
        [':' | '.' | ',', digits @ ..] => 1 + digits.iter().take_while(|c| c.is_ascii_digit()).count(),
        _ => 0,
    };
    let fraction = if fraction == 1 { 0 } else { fraction }; // a comma of the sentence
    Some(pattern.len() + fraction + usize::from(after.get(fraction) == Some(&'Z')))
}

/// `N` for every number, one space for many.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    let mut last = ' ';
    for c in line.replace("$MS", "0").chars() {
        let digit = c.is_ascii_digit();
        let in_number = text.ends_with('N') && (last.is_ascii_digit() || last == '.');
        if digit && !in_number {
            text.push('N');
        } else if !(digit || c == '.' && in_number || c == ' ' && last == ' ') {
            text.push(c);
        }
        last = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(out: &str, err: &str) -> Vec<String> {
        Transcript::of("1", out, err, Manner::default(), Duration::ZERO).lines
    }

    #[test]
    fn ids_and_times_are_replaced_and_names_are_not() {
        for (line, steadied) in [
            ("TopicId: fTUOVCSnRliP0gAHsQO8-Q x", "TopicId: $ID x"),
            (
                "XTWMWEjaSaaoGDhXJxdVDA UnknownServerException",
                "$ID UnknownServerException",
            ),
            ("payload: [B@1bbfe73", "payload: [B@$HASH"),
            ("a\u{fffd}\u{fffd}b\u{fffd}aab", "a\u{fffd}b\u{fffd}aab"),
            ("lastOffset: 3 crc: 1234567 x", "lastOffset: 3 crc: $CRC x"),
            ("AlterShareGroupOffsets(91): 0", "AlterShareGroupOffsets(91): 0"),
            ("UnknownServerException: x", "UnknownServerException: x"),
            ("CreateTime:1732201402123 a", "CreateTime:$MS a"),
            ("2026-11-21 15:03:22:123, 5", "$DATE, 5"),
            ("at 2026-11-21T15:03:22.123Z.", "at $DATE."),
            ("console-consumer-71234 x", "console-consumer-$N x"),
            (
                "console-consumer-2f0b7c1e-0000-4000-8000-123456789abc",
                "console-consumer-$UUID",
            ),
            ("retention.ms=86400000", "retention.ms=86400000"),
            ("producerId: 4 producerEpoch: 0", "producerId: $N producerEpoch: 0"),
            ("producerId: -1 producerEpoch: -1", "producerId: -1 producerEpoch: -1"),
            (
                "one of: [[b], [c], [a]] with [z], [1]",
                "one of: [[a], [b], [c]] with [z], [1]",
            ),
            ("Valid states are: B, C, A", "Valid states are: A, B, C"),
        ] {
            assert_eq!(steady(line, false), steadied);
        }
        assert_eq!(
            steady("12 records,  3.50 MB/sec in 7 ms", true),
            "N records, N MB/sec in N ms"
        );
    }

    #[test]
    fn a_port_is_hidden_and_a_number_that_contains_it_is_not() {
        let replacements = Replacements(vec![("h:12345".to_owned(), "$B"), ("12345".to_owned(), "$PORT")]);
        assert_eq!(
            replacements.hide("h:12345 12345, 1712345 123456 h:123450 \u{e4}12345"),
            "$B $PORT, 1712345 123456 h:123450 \u{e4}$PORT"
        );
    }

    #[test]
    fn help_frames_and_hints_are_left_out() {
        let trace =
            "it is wrong\njava.lang.IllegalArgumentException: it is wrong\n\tat a.B.c(B.java:1)\n\t... 2 more\n\n";
        assert_eq!(lines("", trace), ["exit 1", "! it is wrong"]);
        let trace =
            "Exception in thread \"main\" a.b.CException: no\n\tat a.B.c(B.java:1)\nCaused by: x\n\tat y\nafter\n";
        assert_eq!(lines("", trace), ["exit 1", "!~a.b.CException: no", "! after"]);
        assert_eq!(
            lines("", "Missing x\nOption      Description\n------\n--a  b\n"),
            ["exit 1", "! Missing x"]
        );
        assert_eq!(
            lines("", "usage: t [-h]\n   {a,b} ...\nt:  error:  too  few  of --\nthem\n"),
            ["exit 1", "! t: error: too few of --them"]
        );
        assert_eq!(lines("", "t: error: x\n  hint: y\n"), ["exit 1", "! t: error: x"]);
        assert_eq!(lines("", "WARN x\nERROR y\na.b.CException\nz\n"), ["exit 1", "! z"]);
        assert_eq!(
            lines(
                "Error: due to a.BException: no\n",
                "a.XException: a.BException: no\n\tat x\n"
            ),
            ["exit 1", "| Error: due to a.BException: no"]
        );
        assert_eq!(lines("a\n\n", "x\n  hint: y\n"), ["exit 1", "| a", "! x"]);
        assert_eq!(
            lines("", "usage: t\nt: error:\nno --\na-\nb or  --c\n  hint: d\n"),
            ["exit 1", "! t: error: no --a-b or --c"]
        );
    }

    #[test]
    fn an_exception_and_our_own_words_for_it_are_the_same() {
        let theirs = Transcript::of("1", "", "a.BException: no\n\tat x\n", Manner::default(), Duration::ZERO);
        for ours in ["error: not so\n  hint: do\n", "a.BException: no\n"] {
            let ours = Transcript::of("1", "", ours, Manner::default(), Duration::ZERO);
            assert_eq!(ours.in_any_words(&theirs), theirs.in_any_words(&theirs));
        }
        let other = Transcript::of("1", "", "something\n", Manner::default(), Duration::ZERO);
        assert_ne!(other.in_any_words(&theirs), theirs.in_any_words(&theirs));
    }
}
