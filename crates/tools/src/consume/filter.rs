//! Which records are shown: `--key`, `--value` and `--header`.

use klamm_client::ConsumerRecord;
use regex_lite::Regex;

/// A glob for the whole text, or between slashes a regular expression for some part of it.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Why it is no regular expression.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let inner = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|inner| !inner.is_empty());
        let regex = match inner {
            Some(inner) => Regex::new(inner),
            None => Regex::new(&glob(text)),
        };
        regex.map(Pattern).map_err(|error| error.to_string())
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        self.0.is_match(&String::from_utf8_lossy(bytes))
    }
}

/// `*` is any text and `?` any letter.
fn glob(text: &str) -> String {
    let mut regex = "(?s)^".to_owned();
    for letter in text.chars() {
        match letter {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            other => regex.push_str(&regex_lite::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex + "$"
}

/// All have to hold.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) key: Option<Pattern>,
    pub(super) value: Option<Pattern>,
    /// Some header of this name matches, or is there if no pattern was given.
    pub(super) headers: Vec<(String, Option<Pattern>)>,
}

impl Filter {
    pub(super) fn lets_through(&self, record: &ConsumerRecord) -> bool {
        let some = |pattern: &Option<Pattern>, bytes: Option<&[u8]>| {
            let Some(pattern) = pattern else { return true };
            bytes.is_some_and(|bytes| pattern.matches(bytes))
        };
        some(&self.key, record.key())
            && some(&self.value, record.value())
            && self.headers.iter().all(|(name, pattern)| {
                record
                    .headers()
                    .any(|header| header.key == name.as_bytes() && some(pattern, header.value))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_for_the_whole_and_expressions_for_a_part() {
        for (pattern, text, meant) in [
            ("user-1", "user-1", true),
            ("user-1", "user-12", false),
            ("user-*", "user-12", true),
            ("user-?", "user-12", false),
            ("u.e*", "user", false),
            ("*", "a\nb", true),
            ("", "", true),
            ("/^user-[0-9]+$/", "user-12", true),
            ("/er/", "user", true),
            ("/ER/", "user", false),
            ("/", "/", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(text.as_bytes()),
                meant,
                "{pattern} {text}"
            );
        }
        assert!(Pattern::parse("*").unwrap().matches(b"\xff"));
        assert!(Pattern::parse("/(/").is_err());
    }
}
