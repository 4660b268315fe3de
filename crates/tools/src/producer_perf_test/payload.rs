//! What the records hold.

use regex_lite::Regex;

use crate::output::Failure;

/// The values of the records, one after the other.
pub(super) enum Payload {
    Random { letters: Vec<u8>, random: Random },
    File { payloads: Vec<String>, random: Random },
    Monotonic(String),
}

impl Payload {
    /// Random capital letters, so many in each.
    pub(super) fn random(size: usize) -> Payload {
        Payload::Random {
            letters: vec![0; size],
            random: Random::default(),
        }
    }

    /// What a file holds between delimiters, which are a regular expression; and how many there are.
    pub(super) fn read(path: &str, delimiter: &str) -> Result<(Payload, usize), Failure> {
        let from = |failure: Failure| failure.origin(format!("`--payload-file {path}`"));
        let bytes = std::fs::read(path).unwrap_or_default();
        if bytes.is_empty() {
            return Err(from(Failure::own("File does not exist or empty file provided.")));
        }
        let delimiter = Regex::new(delimiter)
            .map_err(|error| Failure::own(format!("`--payload-delimiter {delimiter}`: {error}")))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut payloads: Vec<String> = delimiter.split(&text).map(str::to_owned).collect();
        // As Java's split.
        while payloads.last().is_some_and(String::is_empty) {
            payloads.pop();
        }
        let count = payloads.len();
        if count == 0 {
            return Err(from(Failure::own("there is nothing between its delimiters")));
        }
        let random = Random::default();
        Ok((Payload::File { payloads, random }, count))
    }

    /// The value of record `n`.
    pub(super) fn next(&mut self, n: u64) -> &[u8] {
        match self {
            Payload::Random { letters, random } => {
                for letter in letters.iter_mut() {
                    *letter = b'A' + random.below(26) as u8;
                }
                letters
            }
            Payload::File { payloads, random } => payloads[random.below(payloads.len() as u32) as usize].as_bytes(),
            Payload::Monotonic(text) => {
                *text = n.to_string();
                text.as_bytes()
            }
        }
    }
}

/// Java's `SplittableRandom` with the seed 0, so that a run sends what a run of Kafka's tool sends.
#[derive(Default)]
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
    }

    fn below(&mut self, bound: u32) -> u32 {
        let drawn = self.next();
        if bound.is_power_of_two() {
            return drawn & (bound - 1);
        }
        let mut drawn = drawn >> 1;
        loop {
            let remainder = drawn % bound;
            // Else the last, shorter run of remainders would count for more.
            if drawn - remainder + (bound - 1) < 1 << 31 {
                return remainder;
            }
            drawn = self.next() >> 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_letters_are_those_of_kafkas_tool() {
        let mut payload = Payload::random(100);
        let first = String::from_utf8_lossy(payload.next(0)).into_owned();
        let second = String::from_utf8_lossy(payload.next(1)).into_owned();
        assert!(first.starts_with("YQHHNEBSEPDNSEIFGAMSUJXKOLTX"), "{first}");
        assert!(second.starts_with("BASHCGRHSYGIFSYLVGRXCDVABWWT"), "{second}");
    }

    #[test]
    fn a_file_is_split_as_java_splits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("payloads");
        let read = |text: &str, delimiter: &str| {
            std::fs::write(&path, text).unwrap();
            match Payload::read(path.to_str().unwrap(), delimiter) {
                Ok((Payload::File { payloads, .. }, count)) => {
                    assert_eq!(payloads.len(), count);
                    Ok(payloads)
                }
                Ok(_) => panic!("not of a file"),
                Err(failure) => Err(failure.message().to_owned()),
            }
        };
        assert_eq!(read("a\n\nb\n\n", "\\n").unwrap(), ["a", "", "b"]);
        assert_eq!(read("a1b22c", "[0-9]+").unwrap(), ["a", "b", "c"]);
        assert!(read("", "\\n").unwrap_err().contains("empty file"));
        assert!(read("\n\n", "\\n").unwrap_err().contains("nothing between"));
        assert!(read("a", "(").unwrap_err().contains("--payload-delimiter ("));
    }
}
