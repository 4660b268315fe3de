//! Kafka's UUIDs: topic ids, directory ids, incarnation ids.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// 128 bits, shown as 22 characters of url-safe base64 without padding.
///
/// Order is Kafka's: the halves compare as signed 64-bit integers, so one whose first bit is set comes before zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zero: "no id".
    pub const ZERO: Self = Self([0; 16]);
    /// The id of `__cluster_metadata`.
    pub const METADATA_TOPIC_ID: Self = Self::from_u128(1);

    /// From a number, most significant byte first.
    pub const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    /// As a number, most significant byte first.
    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The bytes as on the wire.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A random (version 4) id out of random numbers. As in Kafka its text never starts with `-`, which command-line
    /// tools would take for an option.
    pub fn random(next: &mut dyn FnMut() -> u64) -> Self {
        loop {
            let mut bytes = (u128::from(next()) << 64 | u128::from(next())).to_be_bytes();
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            let id = Self(bytes);
            // The first character stands for the first six bits, '-' for 62.
            if bytes[0] >> 2 != 62 {
                return id;
            }
        }
    }

    fn halves(self) -> (i64, i64) {
        let value = self.as_u128();
        ((value >> 64) as i64, value as i64)
    }
}

impl Ord for Uuid {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl PartialOrd for Uuid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of an id: 21 of six bits, and a last one of two.
const TEXT_LENGTH: usize = 22;

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.as_u128();
        let mut text = String::with_capacity(TEXT_LENGTH);
        for shift in (2..=122).rev().step_by(6) {
            text.push(ALPHABET[(value >> shift & 0x3f) as usize].into());
        }
        text.push(ALPHABET[(value << 4 & 0x3f) as usize].into());
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a uuid: 22 characters of url-safe base64 are expected")]
pub struct ParseUuidError(pub String);

impl FromStr for Uuid {
    type Err = ParseUuidError;

    /// Reads 22 characters of url-safe base64; padding may follow, as Java's decoder allows.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseUuidError(text.chars().take(64).collect());
        let digits = text.strip_suffix("==").unwrap_or(text).as_bytes();
        if digits.len() != TEXT_LENGTH {
            return Err(error());
        }
        let mut value = 0u128;
        for (position, digit) in digits.iter().enumerate() {
            let bits = ALPHABET.iter().position(|c| c == digit).ok_or_else(error)? as u128;
            // The last character carries two bits; Java ignores the other four.
            value = if position + 1 < TEXT_LENGTH {
                value << 6 | bits
            } else {
                value << 2 | bits >> 4
            };
        }
        Ok(Self::from_u128(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_url_safe_base64() {
        for (number, text) in [
            (0, "AAAAAAAAAAAAAAAAAAAAAA"),
            (1, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (u128::MAX, "_____________________w"),
            (0x3b17_45ff_ae8d_4be0_b0ad_fb3e_efbf_beef, "OxdF_66NS-Cwrfs-77--7w"),
        ] {
            assert_eq!(Uuid::from_u128(number).to_string(), text);
            assert_eq!(text.parse(), Ok(Uuid::from_u128(number)));
            assert_eq!(
                format!("{text}==").parse(),
                Ok(Uuid::from_u128(number)),
                "padding is allowed"
            );
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA+",
            "AAAAAAAAAAAAAAAAAAAAé",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(ParseUuidError(text.into())));
        }
    }

    #[test]
    fn halves_compare_as_signed_numbers() {
        let ids = [1 << 127, (1 << 64) - 1, 0, 1, 1 << 64].map(Uuid::from_u128);
        assert!(ids.is_sorted(), "{ids:?}");
    }

    #[test]
    fn random_ids_are_of_version_4_and_never_look_like_an_option() {
        // The first draw would start with '-'.
        let mut draws = [62 << 58, 0, u64::MAX, u64::MAX].into_iter();
        let id = Uuid::random(&mut || draws.next().unwrap());
        assert_eq!(id.as_u128(), 0xffff_ffff_ffff_4fff_bfff_ffff_ffff_ffff);
    }
}
