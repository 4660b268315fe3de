//! What the records hold.

use crate::call::Call;
use crate::output::Failure;

/// The values of the records, one after the other.
pub(super) enum Payload {
    Random { letters: Vec<u8>, state: u64 },
    File { payloads: Vec<Vec<u8>>, state: u64 },
    Monotonic(String),
}

/// Any run sends the same.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

impl Payload {
    pub(super) fn read(call: &mut Call) -> Result<Payload, Failure> {
        if let Some(size) = call.args.int("record-size") {
            let letters = vec![0; size as usize];
            return Ok(Payload::Random { letters, state: SEED });
        }
        let Some(path) = call.args.get("payload-file").map(str::to_owned) else {
            return Ok(Payload::Monotonic(String::new()));
        };
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone().into());
        call.out
            .line(format_args!("Reading payloads from: {}", absolute.display()))?;
        let bytes = std::fs::read(&path).unwrap_or_default();
        if bytes.is_empty() {
            let message = "java.lang.IllegalArgumentException: File does not exist or empty file provided.";
            return Err(Failure::kafka(message).origin(format!("`--payload-file {path}`")));
        }
        let delimiter = match call.args.get("payload-delimiter") {
            Some("\\n") | None => "\n",
            Some(delimiter) => delimiter,
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut payloads: Vec<Vec<u8>> = text
            .split(delimiter)
            .map(|payload| payload.as_bytes().to_vec())
            .collect();
        while payloads.len() > 1 && payloads.last().is_some_and(Vec::is_empty) {
            payloads.pop();
        }
        call.out
            .line(format_args!("Number of messages read: {}", payloads.len()))?;
        Ok(Payload::File { payloads, state: SEED })
    }

    /// The value of record `n`.
    pub(super) fn next(&mut self, n: u64) -> &[u8] {
        match self {
            Payload::Random { letters, state } => {
                for chunk in letters.chunks_mut(8) {
                    let mut random = next(state);
                    for letter in chunk {
                        *letter = b'A' + (((random & 0xff) * 26) >> 8) as u8;
                        random >>= 8;
                    }
                }
                letters
            }
            Payload::File { payloads, state } => &payloads[(next(state) % payloads.len() as u64) as usize],
            Payload::Monotonic(text) => {
                *text = n.to_string();
                text.as_bytes()
            }
        }
    }
}

/// Splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(SEED);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
