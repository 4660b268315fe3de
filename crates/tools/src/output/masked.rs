//! What is not repeated of a command line.

/// The word up to its first `=`; what stands behind, which may be a password, as `…`.
pub fn masked(word: &str) -> String {
    match word.split_once('=') {
        Some((name, _)) => format!("{name}=…"),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_behind_the_first_sign_is_shown() {
        assert_eq!(masked("SCRAM-SHA-256=[password=hunter2]"), "SCRAM-SHA-256=…");
        assert_eq!(masked("--alter"), "--alter");
    }
}
