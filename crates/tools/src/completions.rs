//! `klamm completions` and `klamm man`: what is generated from the table for shells and for `man`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use clap_complete::{Shell, generate};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::spec::{Example, Group, Hint, Operands, Run, Tool, page, page_of_all};
use crate::tools;

pub(crate) const COMPLETIONS: Tool = Tool {
    name: "completions",
    group: Group::Own,
    about: "Print what makes a shell complete the commands and their options",
    long: "For `klamm` and for all the names that `klamm install-tools` links: best where the shell reads it when it starts, as \
           in the examples.",
    operands: Some(Operands {
        name: "SHELL",
        about: "`bash`, `zsh` or `fish`",
        required: true,
        many: false,
        hint: Hint::Nothing,
    }),
    examples: &[
        Example {
            does: "Bash",
            line: "completions bash > ~/.klamm.bash && echo '. ~/.klamm.bash' >> ~/.bashrc",
        },
        Example {
            does: "Zsh: in a directory of its fpath",
            line: "completions zsh > ~/.zfunc/_klamm",
        },
        Example {
            does: "Fish",
            line: "completions fish > ~/.config/fish/conf.d/klamm.fish",
        },
    ],
    run: Run::Blocking(completions),
    ..Tool::own()
};

pub(crate) const MAN: Tool = Tool {
    name: "man",
    group: Group::Own,
    about: "Write the manual pages into a directory",
    long: "One page for `klamm` and one for each command: `man DIR/klamm-topics.1` shows it.",
    operands: Some(Operands {
        name: "DIR",
        about: "Where the pages go; created if it is missing",
        required: true,
        many: false,
        hint: Hint::Directory,
    }),
    examples: &[
        Example {
            does: "For you",
            line: "man ~/.local/share/man/man1",
        },
        Example {
            does: "For everyone",
            line: "man /usr/local/share/man/man1",
        },
    ],
    run: Run::Blocking(man),
    ..Tool::own()
};

fn completions(call: &mut Call) -> Outcome {
    let name = call.args.rest()[0].as_str();
    let shell = match name {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => {
            return Err(Failure::own(format!("there are no completions for `{name}`"))
                .code(2)
                .hint("`bash`, `zsh` or `fish`"));
        }
    };
    let mut text = Vec::new();
    generate(shell, &mut page_of_all(), "klamm", &mut text);
    let scripts = tools().iter().filter_map(|tool| Some((tool, tool.script?)));
    for (tool, script) in scripts.clone() {
        generate(shell, &mut page(tool, script), format!("{script}.sh"), &mut text);
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if shell == Shell::Zsh {
        let scripts = scripts.map(|(_, script)| format!("{script}.sh"));
        text = for_all_names(&text, &scripts.collect::<Vec<_>>());
    }
    if call.out.is_json() {
        return call.out.json(&json!({"shell": name, "script": text}));
    }
    Ok(call.out.write_all(text.as_bytes())?)
}

/// One file for all names. Zsh reads the first line of a file in its `fpath` for what it completes, and calls the function
/// that is named as the file, here `_klamm`, for the first of them; every name has a function of its own from then on.
fn for_all_names(text: &str, scripts: &[String]) -> String {
    let names = scripts.join(" ");
    let mut whole = format!("#compdef klamm {names}\n");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("if [ \"$funcstack[1]\"") {
            // What each would do alone.
            lines.by_ref().find(|line| *line == "fi");
        } else if !line.starts_with("#compdef") {
            whole += line;
            whole.push('\n');
        }
    }
    whole
        + &format!(
            "for name in klamm {names}; do compdef \"_$name\" \"$name\"; done\n\
             if [ \"$funcstack[1]\" = \"_klamm\" ]; then\n    \"_${{service:-klamm}}\" \"$@\"\nfi\n"
        )
}

fn man(call: &mut Call) -> Outcome {
    let directory = PathBuf::from(&call.args.rest()[0]);
    let failed = |error: std::io::Error| Failure::own(format!("can't write to `{}`: {error}", directory.display()));
    fs::create_dir_all(&directory).map_err(failed)?;
    let mut pages = vec![("klamm.1".to_owned(), page_of_all())];
    for tool in tools() {
        let sub = page_of_all().find_subcommand(tool.name).cloned();
        let sub = sub.expect("every tool is a command of klamm");
        let name = format!("klamm-{}", tool.name);
        pages.push((
            format!("{name}.1"),
            sub.name(name).bin_name(format!("klamm {}", tool.name)),
        ));
    }
    let mut written = Vec::new();
    for (name, page) in pages {
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text).map_err(failed)?;
        fs::write(directory.join(&name), text).map_err(failed)?;
        written.push(directory.join(name).display().to_string());
    }
    if call.out.is_json() {
        return call.out.json(&json!({"pages": written}));
    }
    written.iter().try_for_each(|path| call.out.line(path))
}
