//! Installing the clients from their registries into the target directory, and reading their versions where they are
//! pinned: `pom.xml`, `requirements.txt`, `go.mod`, `package.json`. Nothing is written into the clone.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{read, suites_dir, work_dir};

/// A version of kafka-clients with the suite that is compiled for it: `newest`, or a profile of `pom.xml`.
pub(super) fn java(root: &Path, version: &str) -> Result<Vec<String>, String> {
    let source = suites_dir(root).join("java");
    let work = work_dir(root).join("java").join(version);
    let (libs, classes) = (work.join("libs"), work.join("classes"));
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]);
    maven.arg(source.join("pom.xml"));
    if version != "newest" {
        maven.arg(format!("--activate-profiles={version}"));
    }
    maven.arg("dependency:copy-dependencies");
    crate::succeed(maven.arg(format!("-DoutputDirectory={}", libs.display())))?;
    let classpath = format!("{}/*", libs.display());
    let mut compiler = Command::new("javac");
    compiler.arg("-d").arg(&classes).args(["-nowarn", "-cp", &classpath]);
    compiler.args(files(&source.join("src/main/java"), "java")?);
    compiler.args(files(&source.join("src").join(version).join("java"), "java")?);
    crate::succeed(&mut compiler)?;
    let classpath = format!("{}:{classpath}", classes.display());
    Ok(["java", "-cp", &classpath, "JavaClients"].map(str::to_owned).to_vec())
}

/// The version of kafka-clients that `pom.xml` names, in a profile or outside of them.
pub(super) fn java_version(root: &Path, version: &str) -> Result<String, String> {
    let pom = read(&suites_dir(root).join("java/pom.xml"))?;
    let profile = format!("<id>{version}</id>");
    let part = match version {
        "newest" => pom.as_str(),
        _ => pom.split_once(&profile).map_or("", |(_, rest)| rest),
    };
    between(part, "<kafka.version>", "</kafka.version>").ok_or_else(|| format!("pom.xml has no version `{version}`"))
}

/// A suite in Python.
pub(super) fn python(root: &Path, script: &str) -> Result<Vec<String>, String> {
    let interpreter = python_environment(root)?.join("bin/python");
    let script = suites_dir(root).join("python").join(script);
    // -B: no compiled files beside the sources
    Ok(vec![
        interpreter.display().to_string(),
        "-B".to_owned(),
        script.display().to_string(),
    ])
}

/// The version of a Python package that `requirements.txt` names.
pub(super) fn python_version(root: &Path, package: &str) -> Result<String, String> {
    let requirements = read(&suites_dir(root).join("python/requirements.txt"))?;
    requirements
        .lines()
        .find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
        .map(str::to_owned)
        .ok_or_else(|| format!("requirements.txt does not name {package}"))
}

/// A Python environment with the clients in it; installs what is missing.
pub(crate) fn python_environment(root: &Path) -> Result<PathBuf, String> {
    let venv = work_dir(root).join("venv");
    let interpreter = venv.join("bin/python");
    if !interpreter.exists() {
        crate::succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let requirements = suites_dir(root).join("python/requirements.txt");
    let installed = venv.join("installed.txt");
    if read(&installed).ok() != Some(read(&requirements)?) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        crate::succeed(Command::new(&interpreter).args(pip).arg(&requirements))?;
        std::fs::copy(&requirements, &installed).map_err(|error| format!("{}: {error}", installed.display()))?;
    }
    Ok(venv)
}

/// A suite in Go. A toolchain that is too old for the clients fetches the one that `go.mod` names.
pub(super) fn go(root: &Path, suite: &str) -> Result<Vec<String>, String> {
    let program = work_dir(root).join("go").join(suite);
    let mut go = Command::new("go");
    go.current_dir(suites_dir(root).join("go"));
    go.envs([("GOTOOLCHAIN", "auto"), ("GOFLAGS", "-buildvcs=false")]);
    crate::succeed(go.args(["build", "-o"]).arg(&program).arg(format!("./{suite}")))?;
    Ok(vec![program.display().to_string()])
}

/// The version of a Go module that `go.mod` names.
pub(super) fn go_version(root: &Path, module: &str) -> Result<String, String> {
    let modules = read(&suites_dir(root).join("go/go.mod"))?;
    modules
        .lines()
        .find_map(|line| line.trim().strip_prefix(module)?.strip_prefix(" v"))
        .map(str::to_owned)
        .ok_or_else(|| format!("go.mod does not name {module}"))
}

/// The suite in JavaScript. npm installs beside a `package.json`, so that is copied, and the suite too.
pub(super) fn javascript(root: &Path) -> Result<Vec<String>, String> {
    let (source, work) = (suites_dir(root).join("javascript"), work_dir(root).join("javascript"));
    let failed = |error: std::io::Error| format!("{}: {error}", work.display());
    std::fs::create_dir_all(&work).map_err(failed)?;
    for file in [files(&source, "js")?, files(&source, "json")?].concat() {
        std::fs::copy(&file, work.join(file.file_name().unwrap_or_default())).map_err(failed)?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&work);
    crate::succeed(npm.args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    Ok(vec!["node".to_owned(), work.join("kafkajs.js").display().to_string()])
}

/// The version of kafkajs that `package.json` names.
pub(super) fn javascript_version(root: &Path) -> Result<String, String> {
    let package = read(&suites_dir(root).join("javascript/package.json"))?;
    between(&package, "\"kafkajs\": \"", "\"").ok_or_else(|| "package.json does not name kafkajs".to_owned())
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found.to_owned())
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}
