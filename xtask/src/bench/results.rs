//! `bench/RESULTS.md`, of which each scenario has a section.

use std::path::Path;

/// Puts a section between its marks, or at the end when it has none yet.
pub(super) fn write(root: &Path, scenario: &str, section: &str) -> Result<(), String> {
    let path = root.join("bench/RESULTS.md");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    std::fs::write(&path, replaced(&text, scenario, section)).map_err(|error| format!("{}: {error}", path.display()))
}

fn replaced(text: &str, scenario: &str, section: &str) -> String {
    let (begin, end) = (
        format!("<!-- bench {scenario} -->\n"),
        format!("<!-- end of {scenario} -->\n"),
    );
    let section = format!("{begin}{}\n{end}", section.trim_end());
    let old = text.find(&begin).zip(text.find(&end));
    match old {
        Some((from, to)) if from < to => format!("{}{section}{}", &text[..from], &text[to + end.len()..]),
        _ if text.trim().is_empty() => format!("# Benchmarks\n\n{section}"),
        _ => format!("{}\n\n{section}", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_older_self() {
        let first = replaced("", "a", "one\n");
        assert_eq!(first, "# Benchmarks\n\n<!-- bench a -->\none\n<!-- end of a -->\n");
        let both = replaced(&first, "b", "two");
        assert!(
            both.ends_with("<!-- end of a -->\n\n<!-- bench b -->\ntwo\n<!-- end of b -->\n"),
            "{both}"
        );
        let changed = replaced(&both, "a", "three");
        assert_eq!(changed, both.replace("one", "three"));
    }
}
