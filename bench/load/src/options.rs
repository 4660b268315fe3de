//! `--name value`, each once.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What a load was told.
pub(crate) struct Options<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Options<'a> {
    pub(crate) fn parse(words: &[&'a str]) -> Result<Options<'a>, String> {
        let mut options = BTreeMap::new();
        for pair in words.chunks(2) {
            match pair {
                [name, value] if name.starts_with("--") => options.insert(&name[2..], *value),
                _ => return Err(format!("`{}`: options are pairs `--name value`", pair.join(" "))),
            };
        }
        Ok(Options(options))
    }

    /// An option that has to be there.
    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let value = self.0.get(name).ok_or_else(|| format!("--{name} is missing"))?;
        value
            .parse()
            .map_err(|_| format!("--{name}: `{value}` is no such value"))
    }

    pub(crate) fn get_or<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        if self.0.contains_key(name) {
            self.get(name)
        } else {
            Ok(default)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_pairs() {
        let options = Options::parse(&["--topic", "t", "--acks", "-1"]).unwrap();
        assert_eq!(options.get::<String>("topic").unwrap(), "t");
        assert_eq!(options.get::<i16>("acks").unwrap(), -1);
        assert_eq!(options.get_or("partitions", 4).unwrap(), 4);
        assert!(options.get::<i16>("topic").is_err(), "no number");
        assert!(options.get::<i16>("other").is_err(), "not given");
        assert!(Options::parse(&["--topic"]).is_err());
        assert!(Options::parse(&["topic", "t"]).is_err());
    }
}
