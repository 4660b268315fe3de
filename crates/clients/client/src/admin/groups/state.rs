//! What groups are and do.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// The broker did not say, or it is one that this client does not know.
            Unknown,
        }

        impl $name {
            /// Each of them but the unknown one.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// Kafka's word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                    $name::Unknown => "Unknown",
                }
            }
        }

        /// By Kafka's word, in any case; another word is the unknown one.
        impl FromStr for $name {
            type Err = Infallible;

            fn from_str(word: &str) -> Result<$name, Infallible> {
                let found = $name::ALL.iter().find(|known| known.word().eq_ignore_ascii_case(word));
                Ok(found.copied().unwrap_or($name::Unknown))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> $name {
                word.parse().unwrap_or($name::Unknown)
            }
        }
    };
}

words! {
    /// What a group is doing.
    GroupState:
    /// Its members are joining.
    PreparingRebalance = "PreparingRebalance",
    /// Its leader is sharing out the partitions.
    CompletingRebalance = "CompletingRebalance",
    /// Every member has its partitions.
    Stable = "Stable",
    /// It is gone.
    Dead = "Dead",
    /// It has no members.
    Empty = "Empty",
    /// The coordinator is sharing out the partitions (KIP-848).
    Assigning = "Assigning",
    /// Members are handing over partitions (KIP-848).
    Reconciling = "Reconciling",
    /// Something that it needs is missing (KIP-1071).
    NotReady = "NotReady",
}

words! {
    /// How a group is run.
    GroupType:
    /// By its leader, a member (the protocol before KIP-848).
    Classic = "Classic",
    /// By the coordinator (KIP-848).
    Consumer = "Consumer",
    /// A share group (KIP-932).
    Share = "Share",
    /// A group of Streams (KIP-1071).
    Streams = "Streams",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kafkas_in_any_case() {
        assert_eq!(GroupState::from("preparingRebalance"), GroupState::PreparingRebalance);
        assert_eq!(GroupType::from("consumer"), GroupType::Consumer);
        assert_eq!(GroupType::from(""), GroupType::Unknown);
        assert_eq!(format!("{:>7}", GroupState::Stable), " Stable");
    }
}
