//! The name that was probably meant.

use crate::keys::Table;

/// The known key nearest to `name`, if any is near enough to be meant: one change in three letters at most.
pub(crate) fn nearest(name: &str, table: &Table) -> Option<&'static str> {
    let limit = (name.chars().count() / 3).clamp(1, 8);
    let near = table
        .iter()
        .filter(|key| !key.internal || key.is_ours())
        .filter_map(|key| {
            let distance = edit_distance(name, key.name, limit)?;
            Some((distance, key.name))
        });
    near.min().map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words; `None` if there are more than `limit`.
fn edit_distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        if row.iter().min() > Some(&limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}
