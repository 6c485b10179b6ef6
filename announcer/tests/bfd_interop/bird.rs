//! BIRD 2.

use std::process::Command;

use crate::daemon::{Daemon, Folder};
use crate::support::PATIENCE;

pub struct Bird {
    pub daemon: Daemon,
    folder: Folder,
}

impl Bird {
    /// Starts BIRD in a network namespace with the lines of the protocol `bfd`.
    pub fn start(net: &str, lines: &str) -> Self {
        let folder = Folder::new(None);
        let log = folder.file("bird.log");
        let config = format!(
            "log \"{}\" all;\nrouter id 10.0.5.20;\nprotocol device {{}}\nprotocol bfd {{\n{lines}\n}}\n",
            log.display()
        );
        let config = folder.write("bird.conf", &config);
        let socket = folder.file("bird.ctl");
        let arguments = ["-f", "-c", config.to_str().unwrap(), "-s", socket.to_str().unwrap()];
        let daemon = Daemon::start(net, &folder, "/usr/sbin/bird", &arguments);
        let bird = Self { daemon, folder };
        let start = tokio::time::Instant::now();
        while !bird.try_ask("show status").contains("up and running") {
            assert!(start.elapsed() < PATIENCE, "BIRD does not start: {}", bird.folder.read("bird.log"));
            std::thread::yield_now();
        }
        bird
    }

    fn try_ask(&self, command: &str) -> String {
        let mut birdc = Command::new("birdc");
        birdc.arg("-s").arg(self.folder.file("bird.ctl")).args(command.split(' '));
        String::from_utf8(birdc.output().expect("bird2 is installed").stdout).unwrap()
    }

    /// State, interval and timeout, in seconds, of its session with an address of ours.
    pub fn session(&self, ours: &str) -> (String, f64, f64) {
        let table = self.try_ask("show bfd sessions");
        // Address, interface, state, since, interval, timeout; since may be of two words.
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(ours));
        let line = line.unwrap_or_else(|| panic!("{ours} is not in {table}"));
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |from_end: usize| fields[fields.len() - from_end].parse().unwrap();
        (fields[2].to_owned(), number(2), number(1))
    }

    /// When the session last changed, as BIRD writes it.
    pub fn since(&self, ours: &str) -> String {
        let table = self.try_ask("show bfd sessions");
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(ours)).unwrap();
        line.split_whitespace().nth(3).unwrap().to_owned()
    }

    pub fn is(&self, ours: &str, state: &str) -> bool {
        self.session(ours).0 == state
    }
}
