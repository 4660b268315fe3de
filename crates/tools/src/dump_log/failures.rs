//! What can be wrong with a file as a whole.

use std::io;
use std::path::Path;

use crate::output::Failure;

pub(super) fn unopened(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::own(format!("can't open `{}`: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => failure.hint(match path.is_absolute() {
            true => "is that the directory of a partition of this node?",
            false => "`--files` takes paths as seen from here",
        }),
        _ => failure,
    }
}

pub(super) fn unread(path: &Path, error: &io::Error) -> Failure {
    Failure::own(format!("can't read `{}`: {error}", path.display()))
}

/// An index that a broker would build anew.
pub(super) fn corrupt(message: String) -> Failure {
    Failure::own(message).hint("a broker rebuilds such an index when it starts")
}

/// The offset in a file's name.
pub(super) fn base_offset(path: &Path) -> Result<i64, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| {
        Failure::own(format!("`{}` is not named after an offset: `{digits}`", path.display()))
            .hint("segments are called as their first offset in 20 digits, such as 00000000000000000000.log")
    })
}
