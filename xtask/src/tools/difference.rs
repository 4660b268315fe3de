//! What differs between two texts, line by line.

use std::fmt;

/// A line that one has and the other has not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Missing(String),
    Added(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing(line) => write!(f, "- {line}"),
            Difference::Added(line) => write!(f, "+ {line}"),
        }
    }
}

/// The lines that are in one but not in the other, by the longest common run of lines in order.
pub(super) fn differences(old: &[String], new: &[String]) -> Vec<Difference> {
    let mut longest = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = match old[i] == new[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut differences) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || longest[i + 1][j] >= longest[i][j + 1]) {
            differences.push(Difference::Missing(old[i].clone()));
            i += 1;
        } else {
            differences.push(Difference::Added(new[j].clone()));
            j += 1;
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_lines_of_one_or_the_other() {
        let lines = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(differences(&lines("abc"), &lines("abc")), []);
        assert_eq!(
            differences(&lines("abc"), &lines("axc")),
            [Difference::Missing("b".to_owned()), Difference::Added("x".to_owned())]
        );
        assert_eq!(
            differences(&lines(""), &lines("a")),
            [Difference::Added("a".to_owned())]
        );
    }
}
