//! Prints `docs/reference/apis.md`. `cargo xtask docs` runs this, so that xtask need not be built with the broker.

fn main() {
    print!("{}", klamm_broker::reference::apis_markdown());
}
