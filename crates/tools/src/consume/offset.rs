//! What `--offset` says: where to begin and where to end.

use crate::time::datetime;

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The first record there is.
    Start,
    /// After the last one.
    End,
    /// Where the group is.
    Stored,
    At(i64),
    /// So many records after the first one.
    AfterStart(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// The first record of this time or later, in milliseconds since the Unix epoch.
    Time(i64),
}

/// From here, and up to there without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Option<Point>,
    pub(super) to: Option<Point>,
}

/// What is allowed, for hints.
pub(super) const FORMS: &str = "`start`, `end`, `stored`, an offset, `+N` after the start, `-N` before the end, `FROM:TO`, `@TIME`, \
    `@FROM:TO`; TIME is milliseconds or seconds since 1970, `2026-01-31`, `2026-01-31T12:30:00Z` or, so long ago, `-15m`";

impl Range {
    /// Reads one value; `now_ms` is what times ago count from.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str, now_ms: i64) -> Result<Range, String> {
        let from_only = |point| Range {
            from: Some(point),
            to: None,
        };
        if let Some(millis) = text.strip_prefix("s@") {
            return kcat_time(millis).map(from_only);
        }
        if let Some(millis) = text.strip_prefix("e@") {
            let to = kcat_time(millis).map(Some)?;
            return Ok(Range { from: None, to });
        }
        if let Some(times) = text.strip_prefix('@') {
            return Range::times(times, now_ms);
        }
        match text.split_once(':') {
            None => point(text).map(from_only),
            Some((from, to)) => {
                let from = match from {
                    "" => Point::Start,
                    from => point(from)?,
                };
                let to = match to {
                    "" => None,
                    to => Some(bound(to)?),
                };
                Ok(Range { from: Some(from), to })
            }
        }
    }

    /// `TIME`, `TIME:`, `:TIME` or `TIME:TIME`, where times have colons too.
    fn times(text: &str, now_ms: i64) -> Result<Range, String> {
        let at = |text: &str| time(text, now_ms).map(Point::Time);
        if let Some(from) = at(text) {
            return Ok(Range {
                from: Some(from),
                to: None,
            });
        }
        let colons = text.match_indices(':').map(|(at, _)| text.split_at(at));
        for (from, to) in colons {
            let (to, begin) = (to[1..].trim_start_matches('@'), at(from));
            match (from, begin, to, at(to)) {
                ("", _, _, Some(to)) => {
                    return Ok(Range {
                        from: Some(Point::Start),
                        to: Some(to),
                    });
                }
                (_, Some(from), "", _) => {
                    return Ok(Range {
                        from: Some(from),
                        to: None,
                    });
                }
                (_, Some(from), _, Some(to)) => {
                    return Ok(Range {
                        from: Some(from),
                        to: Some(to),
                    });
                }
                _ => {}
            }
        }
        Err(format!("`{text}` is no time"))
    }

    /// Both together, as kcat's `-o s@… -o e@…`.
    ///
    /// # Errors
    /// When both say the same thing.
    pub(super) fn and(self, other: Range) -> Result<Range, String> {
        let (begins, ends) = (self.from.is_some(), self.to.is_some());
        if (begins && other.from.is_some()) || (ends && other.to.is_some()) {
            return Err("it is given twice".to_owned());
        }
        Ok(Range {
            from: self.from.or(other.from),
            to: self.to.or(other.to),
        })
    }
}

fn point(text: &str) -> Result<Point, String> {
    let count = |digits: &str| {
        digits
            .parse::<i64>()
            .ok()
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let found = match text {
        "start" | "beginning" | "earliest" => Some(Point::Start),
        "end" | "latest" => Some(Point::End),
        "stored" => Some(Point::Stored),
        _ => match text.split_at_checked(1) {
            Some(("+", digits)) => count(digits).map(Point::AfterStart),
            Some(("-", digits)) => count(digits).map(Point::BeforeEnd),
            _ => count(text).map(Point::At),
        },
    };
    found.ok_or_else(|| format!("`{text}` is no offset"))
}

fn bound(text: &str) -> Result<Point, String> {
    match point(text)? {
        Point::Stored | Point::AfterStart(_) => Err(format!("`{text}` can't be an end")),
        point => Ok(point),
    }
}

fn kcat_time(millis: &str) -> Result<Point, String> {
    match millis.parse() {
        Ok(millis) if millis >= 0 => Ok(Point::Time(millis)),
        _ => Err(format!("`{millis}` is no time in milliseconds since 1970")),
    }
}

/// Numbers of this many digits or fewer are seconds: in milliseconds they would lie in 1970.
const SECONDS_DIGITS: usize = 10;

fn time(text: &str, now_ms: i64) -> Option<i64> {
    if let Some(ago) = text.strip_prefix('-') {
        return Some(now_ms.saturating_sub(span(ago)?).max(0));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return Some(if text.len() <= SECONDS_DIGITS {
            number * 1000
        } else {
            number
        });
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(at);
    let filled = match (clock.matches(':').count(), clock.contains('.')) {
        (1, false) => format!("{clock}:00.000"),
        (2, false) => format!("{clock}.000"),
        (2, true) => clock.to_owned(),
        _ => return None,
    };
    datetime(&format!("{date}T{filled}{zone}"))
        .ok()
        .filter(|millis| *millis >= 0)
}

/// `90s`, `15m`, `2h`, `7d`, `500ms`.
fn span(text: &str) -> Option<i64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_271_400_000;

    fn range(from: impl Into<Option<Point>>, to: impl Into<Option<Point>>) -> Range {
        Range {
            from: from.into(),
            to: to.into(),
        }
    }

    #[test]
    fn places_and_ranges() {
        for (text, expected) in [
            ("start", range(Point::Start, None)),
            ("beginning", range(Point::Start, None)),
            ("end", range(Point::End, None)),
            ("stored", range(Point::Stored, None)),
            ("42", range(Point::At(42), None)),
            ("+7", range(Point::AfterStart(7), None)),
            ("-7", range(Point::BeforeEnd(7), None)),
            ("5:9", range(Point::At(5), Point::At(9))),
            ("5:", range(Point::At(5), None)),
            (":9", range(Point::Start, Point::At(9))),
            (":end", range(Point::Start, Point::End)),
            ("-5:-2", range(Point::BeforeEnd(5), Point::BeforeEnd(2))),
            ("s@1500", range(Point::Time(1500), None)),
            ("e@1500", range(None, Point::Time(1500))),
        ] {
            assert_eq!(Range::parse(text, NOW), Ok(expected), "{text}");
        }
        for (text, why) in [
            ("", "`` is no offset"),
            ("sometime", "`sometime` is no offset"),
            ("1:x", "`x` is no offset"),
            ("--1", "`--1` is no offset"),
            ("1:stored", "`stored` can't be an end"),
            ("1:+2", "`+2` can't be an end"),
            ("s@x", "`x` is no time in milliseconds since 1970"),
            ("@", "`` is no time"),
            ("@noon", "`noon` is no time"),
        ] {
            assert_eq!(Range::parse(text, NOW).unwrap_err(), why);
        }
    }

    #[test]
    fn times() {
        let half_past = 1_795_271_400_000;
        for (text, from, to) in [
            ("@1795271400000", Some(half_past), None),
            ("@1795271400", Some(half_past), None),
            ("@2026-11-21T14:30:00Z", Some(half_past), None),
            ("@2026-11-21T14:30", Some(half_past), None),
            ("@2026-11-21 14:30:00.000", Some(half_past), None),
            ("@2026-11-21T16:00:00+01:30", Some(half_past), None),
            ("@2026-11-21", Some(half_past - 52_200_000), None),
            ("@-15m", Some(NOW - 900_000), None),
            ("@-2h:-1h", Some(NOW - 7_200_000), Some(NOW - 3_600_000)),
            ("@-2d:", Some(NOW - 172_800_000), None),
            (
                "@2026-11-21T14:00:00Z:2026-11-21T14:30:00Z",
                Some(half_past - 1_800_000),
                Some(half_past),
            ),
            (
                "@2026-11-21T14:00:@2026-11-21T14:30",
                Some(half_past - 1_800_000),
                Some(half_past),
            ),
        ] {
            let expected = range(from.map(Point::Time), to.map(Point::Time));
            assert_eq!(Range::parse(text, NOW), Ok(expected), "{text}");
        }
        assert_eq!(
            Range::parse("@:1795271400", NOW),
            Ok(range(Point::Start, Point::Time(half_past)))
        );
    }

    #[test]
    fn two_values_are_one_range() {
        let both = Range::parse("s@1", NOW).unwrap().and(Range::parse("e@2", NOW).unwrap());
        assert_eq!(both, Ok(range(Point::Time(1), Point::Time(2))));
        let twice = Range::parse("1", NOW).unwrap().and(Range::parse("2", NOW).unwrap());
        assert_eq!(twice.unwrap_err(), "it is given twice");
    }
}
