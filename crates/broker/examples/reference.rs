//! Prints a page of `docs/reference/`: `apis` or `metrics`. `cargo xtask docs` runs this, so that xtask need not be built with
//! the broker.

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("apis") => print!("{}", klamm_broker::reference::apis_markdown()),
        Some("metrics") => print!("{}", klamm_broker::reference::metrics_markdown()),
        _ => {
            eprintln!("usage: reference apis|metrics");
            std::process::exit(2);
        }
    }
}
