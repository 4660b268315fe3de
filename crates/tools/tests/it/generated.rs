//! What is generated from the table: completions, manual pages, links, the overview.

use std::fs;

use klamm_tools::tools;

use crate::bed::{run, run_as, run_words};

#[test]
fn the_overview_lists_every_command() {
    for line in ["--help", "-h", "help"] {
        let ran = run(line);
        assert_eq!((ran.code, &*ran.err), (0, ""));
        for tool in tools() {
            assert!(ran.out.contains(&format!("  {} ", tool.name)), "{}", tool.name);
        }
    }
    let bare = run("");
    assert_eq!((bare.code, &*bare.out), (2, ""), "nothing was asked for");
    assert!(bare.err.contains("Usage: klamm COMMAND"));
}

#[test]
fn an_unknown_command_names_the_nearest() {
    let ran = run("topic --list");
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error: `topic` is no command of klamm\n  hint: did you mean `klamm topics`?\n"
    );
    assert!(run("kafka-topics.sh").err.contains("did you mean `klamm topics`?"));
    assert!(run("xyzzy").err.contains("`klamm --help` lists the commands"));
}

#[test]
fn completions_know_every_command_and_every_link() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run_words(&["completions", shell]);
        assert_eq!((ran.code, &*ran.err), (0, ""));
        for tool in tools() {
            assert!(ran.out.contains(tool.name), "{shell}: {}", tool.name);
            if let Some(script) = tool.script {
                assert!(ran.out.contains(&format!("{script}.sh")), "{shell}: {script}");
            }
        }
        assert!(ran.out.contains("bootstrap-server"));
    }
    // Zsh reads for which names a file is in its first line, and one file ends once.
    let zsh = run_words(&["completions", "zsh"]).out;
    let first = zsh.lines().next().unwrap();
    assert!(
        first.starts_with("#compdef klamm ") && first.contains(" kafka-topics.sh"),
        "{first}"
    );
    assert_eq!(zsh.matches("#compdef").count(), 1);
    assert_eq!(zsh.matches("$funcstack[1]").count(), 1);
    let wrong = run_words(&["completions", "csh"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("`bash`, `zsh` or `fish`"));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("man1");
    let ran = run_words(&["man", target.to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert_eq!(ran.out.lines().count(), tools().len() + 1);
    for tool in tools() {
        let page = fs::read_to_string(target.join(format!("klamm-{}.1", tool.name))).unwrap();
        assert!(page.contains(".TH"), "{}", tool.name);
        for flag in tool.flags {
            let name = flag.name.replace('-', "\\-");
            assert!(page.contains(&name), "{} --{}", tool.name, flag.name);
        }
    }
}

#[test]
fn links_are_made_unless_something_is_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("bin");
    let path = target.to_str().unwrap();
    let made = run_words(&["install-tools", path]);
    assert_eq!(made.code, 0, "{}", made.err);
    let scripts = || tools().iter().filter_map(|tool| tool.script);
    assert_eq!(made.out.lines().count(), scripts().count());
    for script in scripts() {
        let link = fs::read_link(target.join(format!("{script}.sh"))).unwrap();
        assert_eq!(link, std::env::current_exe().unwrap().canonicalize().unwrap());
    }
    assert_eq!(
        run_words(&["install-tools", path]).code,
        0,
        "our own links are replaced"
    );

    let taken = target.join("kafka-topics.sh");
    fs::remove_file(&taken).unwrap();
    fs::write(&taken, "theirs").unwrap();
    fs::remove_file(target.join("kafka-storage.sh")).unwrap();
    let refused = run_words(&["install-tools", path]);
    assert_eq!((refused.code, &*refused.out), (1, ""));
    assert!(
        refused.err.contains("kafka-topics.sh` exists") && refused.err.contains("--force"),
        "{}",
        refused.err
    );
    assert!(!target.join("kafka-storage.sh").exists(), "all or nothing");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "theirs");

    assert_eq!(run_words(&["install-tools", "--force", path]).code, 0);
    assert!(fs::read_link(&taken).is_ok());
}

#[test]
fn a_link_is_the_tool_that_it_is_called() {
    for program in ["kafka-storage.sh", "/opt/kafka/bin/kafka-storage.sh", "kafka-storage"] {
        let ran = run_as(program, &["random-uuid"]);
        assert_eq!((ran.code, &*ran.out), (0, "AAAAAAAAAAAAAAAAAAAAAQ\n"));
    }
    let help = run_as("kafka-topics.sh", &["--help"]);
    assert_eq!(help.code, 1, "as Kafka's");
    assert!(
        help.out
            .contains("kafka-topics.sh --bootstrap-server localhost:9092 --create"),
        "{}",
        help.out
    );
    assert!(!help.out.contains("klamm topics --boot"), "{}", help.out);
}

#[test]
fn versions_are_printed() {
    let line = run("topics --version");
    assert_eq!(
        (line.code, line.out.starts_with("4.4.0 (klamm ")),
        (0, true),
        "{}",
        line.out
    );
    assert!(run("--version").out.starts_with("klamm "));
}
