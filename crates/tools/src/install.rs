//! `klamm install-tools`: Kafka's names for the tools, as links to this binary.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::spec::{Example, Flag, Group, Hint, Operands, Run, Tool};
use crate::tools;

pub(crate) const TOOL: Tool = Tool {
    name: "install-tools",
    group: Group::Own,
    about: "Link the tools by Kafka's names (`kafka-topics.sh` and so on) into a directory",
    long: "Scripts that call Kafka's tools run Klamm's then, if DIR stands in their PATH before Kafka's own `bin`. The links \
           point at this binary: when it moves, run the command again. What already stands there under such a name and is no \
           link of ours is left alone, unless `--force` is given; nothing is linked then.",
    flags: &[Flag::switch("force", "Replace what is there under the same names").short('f')],
    operands: Some(Operands {
        name: "DIR",
        about: "Where the links go; created if it is missing",
        required: true,
        many: false,
        hint: Hint::Directory,
    }),
    examples: &[
        Example {
            does: "For you",
            line: "install-tools ~/bin",
        },
        Example {
            does: "In place of an installation of Kafka's",
            line: "install-tools --force /opt/kafka/bin",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::own()
};

fn run(call: &mut Call) -> Outcome {
    let directory = PathBuf::from(&call.args.rest()[0]);
    let target = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Failure::own(format!("can't tell where this binary is: {error}")).code(2))?;
    let failed = |path: &Path, error: io::Error| Failure::own(format!("can't link `{}`: {error}", path.display()));
    fs::create_dir_all(&directory)
        .map_err(|error| Failure::own(format!("can't create `{}`: {error}", directory.display())))?;
    let links: Vec<PathBuf> = tools()
        .iter()
        .filter_map(|tool| tool.script)
        .map(|script| directory.join(format!("{script}.sh")))
        .collect();
    let force = call.args.has("force");
    // Nothing is linked unless all can be.
    let foreign = links.iter().find(|link| !is_free(link, &target));
    if let Some(foreign) = foreign.filter(|_| !force) {
        return Err(
            Failure::own(format!("`{}` exists and is no link to this binary", foreign.display()))
                .hint("nothing was linked; `--force` replaces what is there"),
        );
    }
    if let Some(folder) = links.iter().find(|link| link.is_dir() && !link.is_symlink()) {
        return Err(Failure::own(format!("`{}` is a directory", folder.display())).hint("nothing was linked"));
    }
    for link in &links {
        replace(link, &target).map_err(|error| failed(link, error))?;
    }
    report(call, &directory, &target, &links)
}

/// Whether nothing would be lost.
fn is_free(link: &Path, target: &Path) -> bool {
    match fs::symlink_metadata(link) {
        Err(_) => true,
        Ok(found) => found.is_symlink() && points_at_klamm(link, target),
    }
}

/// To this binary, or to where a binary of this name was.
fn points_at_klamm(link: &Path, target: &Path) -> bool {
    fs::read_link(link).is_ok_and(|found| found == target || found.file_name() == target.file_name())
}

/// In one step: a script that runs meanwhile finds either the old or the new.
fn replace(link: &Path, target: &Path) -> io::Result<()> {
    let mut fresh = link.to_path_buf();
    fresh.set_extension(format!("sh.{}", std::process::id()));
    symlink(target, &fresh)?;
    fs::rename(&fresh, link).inspect_err(|_| drop(fs::remove_file(&fresh)))
}

fn report(call: &mut Call, directory: &Path, target: &Path, links: &[PathBuf]) -> Outcome {
    if call.out.is_json() {
        let links: Vec<String> = links.iter().map(|link| link.display().to_string()).collect();
        return call
            .out
            .json(&json!({"target": target.display().to_string(), "links": links}));
    }
    for link in links {
        call.out.line(link.display())?;
    }
    call.err.line(format_args!(
        "{} links to `{}` in `{}`",
        links.len(),
        target.display(),
        directory.display()
    ));
    Ok(())
}
