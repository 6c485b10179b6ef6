//! A routing daemon of the system in a namespace, which ends with its test however that ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A folder that the daemons may write to after they gave up root.
pub struct Folder(TempDir);

impl Folder {
    pub fn new(owner: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("bfd-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(owner) = owner {
            let (user, group) = ids(owner);
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        Self(folder)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What was written to a log, for the message of a failure.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// User and group of a name in `/etc/passwd`.
fn ids(name: &str) -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no user {name}: is its package installed?"));
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (fields.next().unwrap(), fields.next().unwrap())
}

/// A running program, first of a process namespace of its own: when it ends, or the test does, all of it ends.
pub struct Daemon {
    unshare: Child,
}

impl Daemon {
    /// Starts a program in the foreground, in the network namespace that `net` (an option of nsenter) names. What it
    /// writes to `/var/tmp` goes into the folder.
    pub fn start(net: &str, folder: &Folder, program: &str, arguments: &[&str]) -> Self {
        // The shell stays the first process: FRR gives up root, and with it what ends it together with its parent.
        let aside = r#"mount --bind "$0" /var/tmp && { "$@" & wait; }"#;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "nsenter", net])
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", aside])
            .arg(folder.path())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self { unshare: command.spawn().expect("util-linux is installed") }
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.program(), signal).unwrap();
    }

    /// Below unshare is the shell, and below it the program.
    fn program(&self) -> Pid {
        let shell = child(self.unshare.id()).expect("the shell runs");
        let program = child(shell).expect("the program runs");
        Pid::from_raw(program.cast_signed()).unwrap()
    }
}

fn child(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
