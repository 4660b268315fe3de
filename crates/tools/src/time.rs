//! Now, and points in time and spans as Java reads them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time such as `2026-11-21T14:30:00.000+01:00` in milliseconds since the Unix epoch; UTC when it has no offset.
pub(crate) fn datetime(text: &str) -> Result<i64, String> {
    let Some((date, time)) = text.split_once('T') else {
        return Err("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned());
    };
    let zone = if time.contains(['Z', '+', '-']) { "" } else { "Z" };
    parse(date, time).ok_or_else(|| format!("Unparseable date: \"{text}{zone}\""))
}

fn parse(date: &str, time: &str) -> Option<i64> {
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?)?, number(date.next()?)?, number(date.next()?)?);
    let (time, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let (time, millis) = time.split_once('.')?;
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (number(time.next()?)?, number(time.next()?)?, number(time.next()?)?);
    let millis = number(millis)?;
    let in_range = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && millis < 1000;
    in_range.then_some(())?;
    let ms = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
    Some(days_since_epoch(year, month, day) * DAY_MS + ms - offset_ms(offset)?)
}

/// Digits only.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `Z`, `+02:00`, `+0200` or `+02`.
fn offset_ms(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let digits = digits.replacen(':', "", 1);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(())?;
    let ms = (hours * 60 + minutes) * 60_000;
    match sign {
        "+" => Some(ms),
        "-" => Some(-ms),
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let days_before_year = before * 365 + before / 4 - before / 100 + before / 400;
    const DAYS_BEFORE_1970: i64 = 719_162;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    days_before_year - DAYS_BEFORE_1970 + months + day - 1
}

/// A span such as `P7D`, `PT1H30M` or `-PT0.5S` in milliseconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    span(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn span(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = signed(&upper);
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    if !days.is_empty() {
        let (unit_sign, digits) = signed(days.strip_suffix('D')?);
        total = number(digits)?.checked_mul(DAY_MS)?.checked_mul(unit_sign)?;
    }
    let mut rest = time;
    for (unit, ms) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((digits, after)) = rest.split_once(unit) {
            let (unit_sign, digits) = signed(digits);
            total = total.checked_add(number(digits)?.checked_mul(ms * unit_sign)?)?;
            rest = after;
        }
    }
    if !rest.is_empty() {
        total = total.checked_add(seconds(rest.strip_suffix('S')?)?)?;
    }
    total.checked_mul(sign)
}

fn seconds(text: &str) -> Option<i64> {
    let (sign, digits) = signed(text);
    let (whole, fraction) = match digits.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    let has_digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    has_digits.then_some(())?;
    let millis = format!("{fraction:0<3}");
    Some((number(whole)? * 1000 + number(&millis[..3])?) * sign)
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.000", 0),
            ("1970-01-01T00:00:00.001Z", 1),
            ("2000-03-01T00:00:00.000", 951_868_800_000),
            ("2026-11-21T14:30:00.000", 1_795_271_400_000),
            ("2026-11-21T14:30:00.000+01:30", 1_795_266_000_000),
            ("2026-11-21T14:30:00.000-0130", 1_795_276_800_000),
            ("2026-11-21T14:30:00.000+02", 1_795_264_200_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(datetime(text), Ok(expected), "{text}");
        }
        for text in [
            "2026-11-21",
            "2026-11-21T",
            "2026-11-21T14:30:00",
            "2026-02-29T00:00:00.000",
            "2026-13-01T00:00:00.000",
            "2026-11-21T24:00:00.000",
            "2026-11-21T14:30:00.000+1",
            "2026-11-21T14:30:00.000+1é2",
            "2026-11-21T14:30:00.000+éé",
            "x-11-21T14:30:00.000",
        ] {
            datetime(text).expect_err(text);
        }
    }

    #[test]
    fn spans_are_read() {
        for (text, expected) in [
            ("P1D", 86_400_000),
            ("PT1H", 3_600_000),
            ("pt1h30m", 5_400_000),
            ("P2DT3H4M5.678S", 183_845_678),
            ("-PT1H", -3_600_000),
            ("PT-6H+3M", -21_420_000),
            ("PT0S", 0),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "1H",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1.5H",
            "P99999999999D",
            "PTS",
        ] {
            duration(text).expect_err(text);
        }
    }
}
