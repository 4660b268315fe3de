//! LZ4 blocks compressed harder: all earlier places of the same four bytes are candidates, not just the latest.

/// A block ends with so many literals at least.
const LAST_LITERALS: usize = 5;
/// A match starts at least so far before the end of its block.
const MATCH_MARGIN: usize = 12;
const MIN_MATCH: usize = 4;
const HASH_BITS: u32 = 15;
/// Candidates tried at the highest levels.
const MAX_ATTEMPTS_LOG: i32 = 12;

/// For each position of a block the one before it with the same hash, as position + 1; 0 is none.
pub(super) struct Chains {
    heads: Vec<u32>,
    previous: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Match {
    at: usize,
    from: usize,
    length: usize,
}

impl Chains {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![0; 1 << HASH_BITS],
            previous: Vec::new(),
        }
    }

    /// Appends `input`, at most 64 KiB, as one block. Each level tries twice as many candidates as the one before.
    pub(super) fn compress_block(&mut self, input: &[u8], level: i32, out: &mut Vec<u8>) {
        let attempts = 1usize << level.clamp(1, MAX_ATTEMPTS_LOG);
        self.heads.fill(0);
        self.previous.clear();
        let mut literals = 0;
        let mut at = 0;
        while let Some(mut found) = self.find_within(input, at, attempts) {
            // A longer match one byte on is worth the literal in between.
            while let Some(next) = self
                .find(input, found.at + 1, attempts)
                .filter(|next| next.length > found.length)
            {
                found = next;
            }
            write_sequence(out, &input[literals..found.at], Some(found));
            at = found.at + found.length;
            literals = at;
        }
        write_sequence(out, &input[literals..], None);
    }

    /// The first match at `at` or later.
    fn find_within(&mut self, input: &[u8], at: usize, attempts: usize) -> Option<Match> {
        (at..(input.len() + 1).saturating_sub(MATCH_MARGIN)).find_map(|at| self.find(input, at, attempts))
    }

    /// The longest match at `at`.
    fn find(&mut self, input: &[u8], at: usize, attempts: usize) -> Option<Match> {
        if at + MATCH_MARGIN > input.len() {
            return None;
        }
        self.insert_up_to(input, at);
        let wanted = &input[at..input.len() - LAST_LITERALS];
        let mut best = Match {
            at,
            from: 0,
            length: MIN_MATCH - 1,
        };
        let mut candidate = self.previous[at] as usize;
        for _ in 0..attempts {
            let Some(from) = candidate.checked_sub(1) else { break };
            // Only a candidate that is right where the best one ended can be longer.
            if input[from + best.length] == wanted[best.length] {
                let length = input[from..]
                    .iter()
                    .zip(wanted)
                    .take_while(|(there, here)| there == here)
                    .count();
                if length > best.length {
                    best = Match { at, from, length };
                }
                if best.length == wanted.len() {
                    break;
                }
            }
            candidate = self.previous[from] as usize;
        }
        (best.length >= MIN_MATCH).then_some(best)
    }

    /// Enters all positions up to and including `at`.
    fn insert_up_to(&mut self, input: &[u8], at: usize) {
        for position in self.previous.len()..=at {
            let [a, b, c, d] = [0, 1, 2, 3].map(|byte| input[position + byte]);
            let hash = u32::from_le_bytes([a, b, c, d]).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS);
            let head = &mut self.heads[hash as usize];
            self.previous.push(*head);
            *head = position as u32 + 1;
        }
    }
}

/// Appends literals and the match that follows them; the last sequence of a block has none.
fn write_sequence(out: &mut Vec<u8>, literals: &[u8], found: Option<Match>) {
    let extra = found.map_or(0, |found| found.length - MIN_MATCH);
    out.push((literals.len().min(15) << 4 | extra.min(15)) as u8);
    write_rest(out, literals.len());
    out.extend_from_slice(literals);
    if let Some(found) = found {
        out.extend_from_slice(&((found.at - found.from) as u16).to_le_bytes());
        write_rest(out, extra);
    }
}

/// Appends what of a length does not fit the token's four bits.
fn write_rest(out: &mut Vec<u8>, length: usize) {
    if let Some(mut rest) = length.checked_sub(15) {
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }
}
