//! Disks that fail: small file systems in a namespace of their own, so that they are gone with the test whatever becomes of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A shell in a mount namespace of its own. What it mounts nobody else sees but by [`Mounts::path`].
struct Mounts {
    shell: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Mounts {
    /// `None` where this user may not have such a namespace.
    fn new(unshare: &[&str]) -> Option<Mounts> {
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("unshare")
            .args(unshare)
            .args(["--mount", "sh"])
            .current_dir(directory.path())
            .env(
                "PATH",
                format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let input = shell.stdin.take();
        let output = BufReader::new(shell.stdout.take()?);
        let mut mounts = Mounts {
            shell,
            input,
            output,
            directory,
        };
        fs::create_dir(mounts.directory.path().join("disk")).unwrap();
        mounts.run("true").then_some(mounts)
    }

    /// Runs a command in the test's directory, where `disk` is there to be mounted at. Whether it succeeded.
    fn run(&mut self, command: &str) -> bool {
        let script = format!("if {command} >/dev/null; then echo yes; else echo no; fi\n");
        let mut line = String::new();
        let sent = self
            .input
            .as_mut()
            .is_some_and(|input| input.write_all(script.as_bytes()).is_ok());
        sent && self.output.read_line(&mut line).is_ok() && line == "yes\n"
    }

    /// What is mounted at `disk`, as it is seen from here.
    fn path(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.shell.id());
        let directory = self.directory.path().strip_prefix("/").unwrap();
        Path::new(&root).join(directory).join("disk")
    }

    /// Its device, such as `loop0`.
    fn device(&self) -> Option<String> {
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", self.shell.id())).ok()?;
        let at = self.directory.path().join("disk");
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let device = fields.rev().find(|fields| Path::new(fields[1]) == at)?[0].to_owned();
        Some(device.rsplit('/').next()?.to_owned())
    }
}

impl Drop for Mounts {
    /// The namespace and its mounts end with its last process.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.shell.wait();
    }
}

/// A file system that is soon full.
pub(crate) struct SmallDisk(Mounts);

impl SmallDisk {
    /// A tmpfs of `mebibytes`; `None` where this user may not mount anything.
    pub(crate) fn new(mebibytes: u32) -> Option<SmallDisk> {
        let mut mounts = Mounts::new(&["--user", "--map-root-user"])?;
        let mounted = mounts.run(&format!("mount -t tmpfs -o size={mebibytes}m none disk"));
        mounted.then_some(SmallDisk(mounts))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path()
    }
}

/// An ext4 file system that turns read-only when it is told so, files open for writing included, as it does by itself when its
/// disk fails.
pub(crate) struct FailingDisk(Mounts);

impl FailingDisk {
    /// `None` where this user may not mount a file or tell its file system to fail, which takes the machine's root.
    pub(crate) fn new(mebibytes: u32) -> Option<FailingDisk> {
        let mut mounts = Mounts::new(&[])?;
        let made = mounts.run(&format!("truncate -s {mebibytes}M image && mkfs.ext4 -q -F image"));
        let mut disk = FailingDisk(mounts);
        let can_fail = made && disk.mount() && {
            let trigger = disk.trigger()?;
            fs::OpenOptions::new().write(true).open(trigger).is_ok()
        };
        can_fail.then_some(disk)
    }

    fn mount(&mut self) -> bool {
        self.0.run("mount -o loop,errors=remount-ro image disk")
    }

    fn trigger(&self) -> Option<PathBuf> {
        let device = self.0.device()?;
        Some(format!("/sys/fs/ext4/{device}/trigger_fs_error").into())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// From here on every change fails with EROFS.
    pub(crate) fn fail(&self) {
        fs::write(self.trigger().expect("it is mounted"), "1").unwrap();
        assert!(fs::write(self.path().join("probe"), "").is_err(), "it is read-only");
    }

    /// Checks and mounts it anew, as after a restart of the machine. Nobody may have files of it open.
    pub(crate) fn mend(&mut self) {
        assert!(self.0.run("umount disk"));
        // 1: it has mended something.
        assert!(self.0.run("{ e2fsck -f -y image; [ $? -le 1 ]; }"));
        assert!(self.mount());
    }
}
