//! Where the output of Kafka's tools shows that they are written in Java.

use std::fmt::{self, Display, Formatter};

/// The order in which a `HashMap` of Java's with these keys gives its values back.
pub fn hash_map_order<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    // The table begins with 16 places and doubles when three quarters are taken.
    let mut places: u32 = 16;
    while items.len() as u64 * 4 > u64::from(places) * 3 {
        places *= 2;
    }
    let mut items = items;
    items.sort_by_key(|item| {
        let hash = key(item)
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (places - 1)
    });
    items
}

/// `DescribeConfigs` as a constant of Java's: `DESCRIBE_CONFIGS`.
pub fn constant(name: &str) -> String {
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}

/// A number that is shown as Java shows a `double` or a `float`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// 64 bits.
    Double(f64),
    /// 32 bits: fewer digits tell it from its neighbours.
    Float(f32),
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number::Double(number)
    }
}

impl From<f32> for Number {
    fn from(number: f32) -> Number {
        Number::Float(number)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = match *self {
            Number::Double(value) => value,
            Number::Float(value) => value.into(),
        };
        let size = value.abs();
        if size.is_infinite() {
            return f.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
        }
        if size == 0.0 || size.is_nan() || (1e-3..1e7).contains(&size) {
            return match self {
                Number::Double(value) => write!(f, "{value:?}"),
                Number::Float(value) => write!(f, "{value:?}"),
            };
        }
        let digits = match self {
            Number::Double(value) => format!("{value:E}"),
            Number::Float(value) => format!("{value:E}"),
        };
        match digits.contains('.') {
            true => f.write_str(&digits),
            // Java shows two digits at least, and those of the number rather than a zero.
            false => write!(f, "{value:.1E}"),
        }
    }
}

/// What `UUID.fromString` makes of a text, printed: of five numbers in hexadecimal it keeps what fits.
pub fn uuid(text: &str) -> Option<String> {
    let parts: Option<Vec<i64>> = text.split('-').map(|part| i64::from_str_radix(part, 16).ok()).collect();
    let [a, b, c, d, e] = parts.filter(|_| text.len() <= 36)?[..] else {
        return None;
    };
    let (a, e) = (a & 0xffff_ffff, e & 0xffff_ffff_ffff);
    let [b, c, d] = [b, c, d].map(|number| number & 0xffff);
    Some(format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_javas() {
        // As Java 17 prints them.
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (5.0, "5.0"),
            (0.25, "0.25"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1e7, "-1.0E7"),
            (1.5e9, "1.5E9"),
            (123_456_789.125, "1.23456789125E8"),
            (1e-3, "0.001"),
            (9.99e-4, "9.99E-4"),
            (1e100, "1.0E100"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Number::from(value).to_string(), text);
        }
        for (value, text) in [
            (0.1_f32, "0.1"),
            (1e-3, "0.001"),
            (1e7, "1.0E7"),
            (16_777_216.0, "1.6777216E7"),
            (1e21, "1.0E21"),
            (f32::MAX, "3.4028235E38"),
            (f32::from_bits(1), "1.4E-45"),
            (f32::NEG_INFINITY, "-Infinity"),
            (f32::NAN, "NaN"),
        ] {
            assert_eq!(Number::from(value).to_string(), text);
        }
    }

    #[test]
    fn uuids_are_read_as_java_does() {
        let whole = "123e4567-e89b-12d3-a456-426614174000";
        for (text, shown) in [
            (whole, whole),
            ("123E4567-E89B-12D3-A456-426614174000", whole),
            ("+1-2-3-4-5", "00000001-0002-0003-0004-000000000005"),
            ("7fffffffffffffff-1-1-1-1", "ffffffff-0001-0001-0001-000000000001"),
        ] {
            assert_eq!(uuid(text).as_deref(), Some(shown), "{text}");
        }
        for refused in [
            "",
            "x",
            "1-2-3-4",
            "1-2-3-4-5-6",
            "-1-2-3-4",
            "1-2-3-4-",
            "123e4567e89b12d3a456426614174000",
            "ffffffffffffffff-1-1-1-1",
            "00123e4567-e89b-12d3-a456-426614174000",
        ] {
            assert_eq!(uuid(refused), None, "{refused}");
        }
    }

    #[test]
    fn names_become_constants() {
        assert_eq!(constant("NoOpRecord"), "NO_OP_RECORD");
    }

    #[test]
    fn keys_come_in_javas_order() {
        // As `new java.util.HashMap` with these keys prints them on Java 17.
        let keys = vec![
            "retention.ms",
            "min.insync.replicas",
            "cleanup.policy",
            "segment.bytes",
            "compression.type",
        ];
        let ordered = hash_map_order(keys, |key| key);
        assert_eq!(ordered, EXPECTED);
    }

    const EXPECTED: [&str; 5] = [
        "compression.type",
        "cleanup.policy",
        "min.insync.replicas",
        "retention.ms",
        "segment.bytes",
    ];
}
