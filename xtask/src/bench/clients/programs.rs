//! The load programs, each made from its source in `bench/clients/` with its language's own tools.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A load program that can be run.
pub(in crate::bench) struct Program {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(in crate::bench) binary: PathBuf,
}

/// Builds them: ours, franz-go's and, where its library is installed, librdkafka's.
pub(super) fn build(root: &Path) -> Result<Vec<Program>, String> {
    let sources = root.join("bench/clients");
    let out = crate::target_dir(root).join("bench");
    std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let mut programs = vec![klamm(root)?, franz_go(&sources.join("go"), out.join("franz-go"))?];
    match librdkafka(&sources.join("c/main.c"), out.join("librdkafka")) {
        Ok(program) => programs.push(program),
        Err(reason) => println!("without librdkafka, for which gcc and librdkafka-dev are needed: {reason}"),
    }
    Ok(programs)
}

fn klamm(root: &Path) -> Result<Program, String> {
    crate::cargo(root, &["build", "--release", "--package", "klamm-bench-client"])?;
    Ok(Program {
        name: "Klamm's",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        binary: crate::target_dir(root).join("release/klamm-bench-client"),
    })
}

fn franz_go(source: &Path, binary: PathBuf) -> Result<Program, String> {
    let mut build = Command::new("go");
    crate::succeed(build.arg("build").arg("-o").arg(&binary).arg(".").current_dir(source))?;
    let module = "github.com/twmb/franz-go";
    let listed = said(
        Command::new("go")
            .args(["list", "-m", "-f", "{{.Version}}", module])
            .current_dir(source),
    )?;
    Ok(Program {
        name: "franz-go",
        version: listed.trim_start_matches('v').to_owned(),
        binary,
    })
}

pub(in crate::bench) fn librdkafka(source: &Path, binary: PathBuf) -> Result<Program, String> {
    let mut build = Command::new("cc");
    build
        .args(["-O2", "-Wall", "-Wextra", "-o"])
        .arg(&binary)
        .arg(source)
        .arg("-lrdkafka");
    crate::succeed(build.stderr(Stdio::null()))?;
    Ok(Program {
        name: "librdkafka",
        version: said(Command::new(&binary).arg("version"))?,
        binary,
    })
}

/// What a command prints.
pub(super) fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("{command:?}: {}", output.status)),
    }
}
