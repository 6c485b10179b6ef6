//! FRR's bfdd, and zebra, which tells it of interfaces.

use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, Folder};
use crate::support::PATIENCE;

const BIN: &str = "/usr/lib/frr";

pub struct Frr {
    _bfdd: Daemon,
    _zebra: Daemon,
    folder: Folder,
}

impl Frr {
    /// Starts FRR in a network namespace with the lines of the section `bfd`.
    pub fn start(net: &str, lines: &str) -> Self {
        let folder = Folder::new(Some("frr"));
        let head = "frr defaults datacenter\nhostname router\n";
        folder.write("zebra.conf", head);
        folder.write("bfdd.conf", &format!("{head}bfd\n{lines}"));
        let zebra = Self::daemon(net, &folder, "zebra", &[]);
        let control = folder.file("control");
        let bfdd = Self::daemon(net, &folder, "bfdd", &["--bfdctl", control.to_str().unwrap()]);
        let frr = Self { _bfdd: bfdd, _zebra: zebra, folder };
        // FRR goes on past a line that it does not know.
        let log = frr.folder.read("bfdd.log");
        assert!(!log.contains("No such command"), "{log}");
        frr
    }

    fn daemon(net: &str, folder: &Folder, name: &str, more: &[&str]) -> Daemon {
        let file = |suffix: &str| folder.file(&format!("{name}.{suffix}")).to_str().unwrap().to_owned();
        let run = folder.path().to_str().unwrap();
        let (zserv, config, pid) = (folder.file("zserv.api"), file("conf"), file("pid"));
        let (log, program) = (format!("file:{}", file("log")), format!("{BIN}/{name}"));
        let common = [
            "--vty_socket",
            run,
            "-z",
            zserv.to_str().unwrap(),
            "-f",
            &config,
            "-i",
            &pid,
            "--log",
            &log,
            "-A",
            "127.0.0.1",
            "-P",
            "0",
        ];
        let daemon = Daemon::start(net, folder, &program, &[&common, more].concat());
        let socket = folder.file(&format!("{name}.vty"));
        let start = tokio::time::Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < PATIENCE, "{name} does not start: {}", folder.read(&format!("{name}.log")));
            std::thread::yield_now();
        }
        daemon
    }

    /// Runs commands of the shell.
    pub fn vty(&self, commands: &[&str]) -> String {
        let mut vtysh = Command::new("vtysh");
        vtysh.arg("--vty_socket").arg(self.folder.path());
        for command in commands {
            vtysh.args(["-c", command]);
        }
        let output = vtysh.output().expect("frr is installed");
        assert!(output.status.success(), "{commands:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says of its session with an address of ours.
    pub fn peer(&self, ours: &str) -> Value {
        self.entry("show bfd peers json", ours)
    }

    /// How often the session with an address of ours came up and went down.
    pub fn ups_and_downs(&self, ours: &str) -> (u64, u64) {
        let entry = self.entry("show bfd peers counters json", ours);
        (entry["session-up"].as_u64().unwrap(), entry["session-down"].as_u64().unwrap())
    }

    fn entry(&self, command: &str, ours: &str) -> Value {
        let peers: Value = serde_json::from_str(&self.vty(&[command])).unwrap();
        let found = peers.as_array().unwrap().iter().find(|peer| peer["peer"] == ours);
        found.unwrap_or_else(|| panic!("{ours} is not in {peers}")).clone()
    }

    pub fn is(&self, ours: &str, status: &str) -> bool {
        self.peer(ours)["status"] == status
    }
}
