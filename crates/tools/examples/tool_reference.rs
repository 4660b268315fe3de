//! Prints `docs/reference/tools.md`, for `cargo xtask docs`.

fn main() {
    print!("{}", klamm_tools::spec::markdown());
}
