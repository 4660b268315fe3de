//! Which names topics may have.

/// The longest name: file names of 255 characters less what a partition's directory adds.
const MAX_NAME_LENGTH: usize = 249;

/// Why a topic can't have that name, or `None` when it can.
pub fn reason_invalid(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // Kafka counts UTF-16 code units.
    let length = name.encode_utf16().count();
    match name {
        "" => Some("the empty string is not allowed".to_owned()),
        "." => Some("'.' is not allowed".to_owned()),
        ".." => Some("'..' is not allowed".to_owned()),
        _ if length > MAX_NAME_LENGTH => Some(format!(
            "the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"
        )),
        _ if !name.chars().all(legal) => Some(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )),
        _ => None,
    }
}

/// Whether a topic may have that name.
pub fn is_valid_topic_name(name: &str) -> bool {
    reason_invalid(name).is_none()
}

/// Whether metrics may take the name for another: they turn `.` into `_`.
pub(crate) fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

/// The name as metrics see it.
pub(crate) fn unify_collision_chars(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ascii_and_fit_a_file_name() {
        for good in ["a", "A.b_c-9", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(reason_invalid(good), None, "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a:b", &"x".repeat(250)] {
            assert!(reason_invalid(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(has_collision_chars("a.b") && has_collision_chars("a_b"));
        assert!(!has_collision_chars("a-b"));
        assert_eq!(unify_collision_chars("a.b_c"), unify_collision_chars("a_b.c"));
    }
}
