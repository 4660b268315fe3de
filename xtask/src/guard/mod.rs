//! `cargo xtask guard`: counts what work costs and compares it with `bench/guard/baseline.toml`, without any clock.
//!
//! Instructions are counted by callgrind, system calls by strace, allocations by `klamm-guard` itself, which does the work. What
//! costs more than the baseline allows is an error; `--write` puts what was counted in the baseline's place, for a change that means
//! it. What costs less is told, so that the baseline can follow.
//!
//! Counts of instructions depend on the compiler, on the C library, and on the processor that valgrind shows to a program: one
//! without AVX-512, otherwise the machine's. They are compared where all of that is as in the baseline; elsewhere they are only told.

mod baseline;
mod count;

use std::path::Path;

use baseline::Baseline;

/// Counts all; returns what costs more than it may.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<Vec<String>, String> {
    let write = match args {
        [] => false,
        ["--write"] => true,
        _ => return Err("usage: cargo xtask guard [--write]".to_owned()),
    };
    crate::cargo(root, &["build", "--release", "--package", "klamm-guard"])?;
    let program = crate::target_dir(root).join("release/klamm-guard");
    let counted = count::all(&program)?;
    let file = root.join("bench/guard/baseline.toml");
    let in_file = |error| format!("{}: {error}", file.display());
    if write {
        std::fs::write(&file, counted.render()).map_err(|error| in_file(error.to_string()))?;
        println!("{}: written", file.display());
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&file).map_err(|error| in_file(error.to_string()))?;
    Ok(compare(&Baseline::parse(&text).map_err(in_file)?, &counted))
}

/// Prints each count beside the baseline's; returns those that are too high.
fn compare(baseline: &Baseline, counted: &Baseline) -> Vec<String> {
    let same_machine = baseline.machine == counted.machine;
    if !same_machine {
        let (then, now) = (&baseline.machine, &counted.machine);
        println!("instructions are not compared: the baseline's were counted with\n  {then}\nthese with\n  {now}");
    }
    let mut wrong = Vec::new();
    for (kind, name, now) in counted.counts() {
        let Some(then) = baseline.get(kind, name) else {
            wrong.push(format!(
                "{} of `{name}`: not in the baseline; `cargo xtask guard --write`",
                kind.name()
            ));
            continue;
        };
        let most = kind.most(then);
        println!("{:>12} {now:>12.1}, baseline {then:>12.1}  {name}", kind.name());
        let is_compared = same_machine || !kind.is_of_machine();
        if is_compared && now > most {
            wrong.push(format!(
                "{} of `{name}`: {now:.1}, more than {most:.1} ({then:.1} in the baseline). If it is meant: `cargo xtask guard --write`",
                kind.name()
            ));
        } else if is_compared && then > kind.most(now) {
            println!(
                "{:>12} less than in the baseline, which should follow: `cargo xtask guard --write`",
                ""
            );
        }
    }
    for (kind, name, _) in baseline.counts() {
        if counted.get(kind, name).is_none() && counted.has(kind) {
            wrong.push(format!(
                "{} of `{name}`: no longer counted; `cargo xtask guard --write`",
                kind.name()
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::baseline::Kind;
    use super::*;

    fn counts(machine: &str, instructions: f64, allocations: f64) -> Baseline {
        let mut counts = Baseline::new(machine.to_owned());
        counts.set(Kind::Instructions, "f", instructions);
        counts.set(Kind::Allocations, "r", allocations);
        counts
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let written = counts("a \"b\" c", 1234.56, 2.0);
        let read = Baseline::parse(&written.render()).unwrap();
        assert_eq!(read.machine, "a 'b' c");
        assert_eq!(read.get(Kind::Instructions, "f"), Some(1234.6));
        assert_eq!(read.get(Kind::Allocations, "r"), Some(2.0));
        assert!(Baseline::parse("[nonsense]\n").is_err() && Baseline::parse("[allocations]\n\"a\" = x\n").is_err());
    }

    #[test]
    fn more_than_a_little_is_too_much_and_less_is_not() {
        let then = counts("m", 1000.0, 15.0);
        assert_eq!(compare(&then, &counts("m", 1249.0, 15.4)), Vec::<String>::new());
        assert_eq!(compare(&then, &counts("m", 500.0, 2.0)), Vec::<String>::new());
        let wrong = compare(&then, &counts("m", 1251.0, 16.0));
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].contains("instructions of `f`: 1251.0") && wrong[1].contains("allocations of `r`: 16.0"));
    }

    #[test]
    fn instructions_of_another_machine_are_not_compared() {
        let then = counts("m", 1000.0, 15.0);
        let wrong = compare(&then, &counts("n", 5000.0, 16.0));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }

    #[test]
    fn what_is_not_in_the_baseline_is_said() {
        let then = counts("m", 1000.0, 15.0);
        let mut now = Baseline::new("m".to_owned());
        now.set(Kind::Instructions, "g", 1.0);
        let wrong = compare(&then, &now);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("`g`: not in the baseline") && wrong[1].contains("`f`: no longer counted"));
    }
}
