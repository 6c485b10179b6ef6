//! Routers of others, run in the peer's namespace: FRR, BIRD, GoBGP, ExaBGP, from Debian's packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time;

use crate::support::{PATIENCE, Segment};

/// Programs in a folder of their own; they end with this value.
pub struct Router<'a> {
    segment: &'a Segment,
    folder: TempDir,
    running: Vec<Child>,
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for file in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
                if file.path().extension().is_some_and(|extension| extension == "log") {
                    eprintln!("{}: {}", file.path().display(), fs::read_to_string(file.path()).unwrap_or_default());
                }
            }
        }
    }
}

impl<'a> Router<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self { segment, folder: tempfile::tempdir().unwrap(), running: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn start(&mut self, name: &str, command: &[&str], environment: &[(&str, &str)]) {
        let log = fs::File::create(self.path(&format!("{name}.out.log"))).unwrap();
        let mut nsenter = Command::new("nsenter");
        nsenter.arg(self.segment.net()).args(command).envs(environment.iter().copied());
        nsenter.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push(nsenter.spawn().expect("util-linux is installed"));
    }

    /// zebra and bgpd with this configuration.
    pub async fn frr(segment: &'a Segment, configuration: &str) -> Self {
        let mut router = Self::new(segment);
        fs::write(router.path("zebra.conf"), "frr defaults traditional\n").unwrap();
        fs::write(router.path("bgpd.conf"), format!("frr defaults traditional\n{configuration}\n")).unwrap();
        let owned = Command::new("chown").args(["-R", "frr:frr"]).arg(router.folder.path()).status();
        assert!(owned.expect("coreutils are installed").success(), "there is a user frr: is FRR installed?");
        for daemon in ["zebra", "bgpd"] {
            let program = format!("/usr/lib/frr/{daemon}");
            let [run, zserv, file, pid, log] =
                ["", "zserv.api", &format!("{daemon}.conf"), &format!("{daemon}.pid"), &format!("{daemon}.log")]
                    .map(|name| router.text(name));
            let log = format!("file:{log}");
            let command = [
                &program,
                "--vty_socket",
                &run,
                "-z",
                &zserv,
                "-f",
                &file,
                "-i",
                &pid,
                "--log",
                &log,
                "-A",
                "127.0.0.1",
                "-P",
                "0",
            ];
            router.start(daemon, &command, &[]);
            let socket = router.path(&format!("{daemon}.vty"));
            eventually("the daemon's socket", || std::future::ready(socket.exists().then_some(()))).await;
        }
        let log = fs::read_to_string(router.path("bgpd.out.log")).unwrap()
            + &fs::read_to_string(router.path("bgpd.log")).unwrap_or_default();
        assert!(!log.contains("Unknown command") && !log.contains("No such command"), "{log}");
        router
    }

    /// What FRR answers to a command that ends in `json`.
    pub async fn vty(&self, command: &str) -> Value {
        let output = self.segment.peer_beside(&["vtysh", "--vty_socket", &self.text(""), "-c", command]).await;
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// bird with this configuration.
    pub async fn bird(segment: &'a Segment, configuration: &str) -> Self {
        let mut router = Self::new(segment);
        let [file, socket, log] = ["bird.conf", "bird.ctl", "bird.log"].map(|name| router.text(name));
        fs::write(&file, format!("log \"{log}\" all;\nrouter id 10.0.5.20;\nprotocol device {{}}\n{configuration}\n"))
            .unwrap();
        router.start("bird", &["bird", "-f", "-c", &file, "-s", &socket], &[]);
        eventually("bird's socket", || std::future::ready(fs::exists(&socket).unwrap().then_some(()))).await;
        router
    }

    /// What BIRD answers.
    pub async fn birdc(&self, command: &str) -> String {
        let socket = self.text("bird.ctl");
        let mut arguments = vec!["birdc", "-r", "-s", &socket];
        arguments.extend(command.split(' '));
        String::from_utf8(self.segment.peer_beside(&arguments).await.stdout).unwrap()
    }

    /// gobgpd with this configuration.
    pub fn gobgp(segment: &'a Segment, configuration: &str) -> Self {
        let mut router = Self::new(segment);
        let file = router.text("gobgp.toml");
        fs::write(&file, configuration).unwrap();
        router.start("gobgpd", &["gobgpd", "-f", &file, "--api-hosts", "127.0.0.1:50051", "--pprof-disable"], &[]);
        router
    }

    /// What GoBGP answers.
    pub async fn gobgp_json(&self, command: &str) -> Value {
        let mut arguments = vec!["gobgp"];
        arguments.extend(command.split(' '));
        arguments.push("-j");
        serde_json::from_slice(&self.segment.peer_beside(&arguments).await.stdout).unwrap_or(Value::Null)
    }

    /// exabgp with this configuration of a neighbour; it writes what it receives to a file.
    pub fn exabgp(segment: &'a Segment, neighbor: &str) -> Self {
        let mut router = Self::new(segment);
        let (file, heard, script) = (router.text("exabgp.conf"), router.text("heard"), router.text("heard.sh"));
        // Its standard output stays open: ExaBGP takes the end of that for the helper's.
        fs::write(&script, format!("while read -r line; do printf '%s\\n' \"$line\" >>{heard}; done\n")).unwrap();
        let configuration = format!("process heard {{\n run /bin/sh {script};\n encoder json;\n}}\n{neighbor}");
        fs::write(&file, configuration).unwrap();
        // ExaBGP runs its helpers as nobody.
        fs::set_permissions(router.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let environment = [("exabgp.api.cli", "false"), ("exabgp.log.all", "true"), ("exabgp.api.ack", "false")];
        router.start("exabgp", &["exabgp", &file], &environment);
        router
    }

    /// What ExaBGP has received.
    pub fn heard(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("heard")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Asks again until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
