//! The commands that talk to a node, as a user types them, against an admin side with a fake node behind it.

#[path = "../actors/tests/admin/world.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use quorumlb_actors::admin::{Admin, Options};
use quorumlb_raft_store::machine::Command;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::replica;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command as Process;
use tokio::time::{sleep, timeout};

use world::{FakeDesk, desk, no_leader};

/// A served admin side.
struct Side {
    desk: FakeDesk,
    socket: PathBuf,
    folder: tempfile::TempDir,
}

fn side() -> Side {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let admin = Admin::bind(&Options { socket: socket.clone(), metrics: None }).unwrap();
    let desk = desk();
    tokio::spawn(admin.serve(desk.clone()));
    Side { desk, socket, folder }
}

fn process(socket: &Path, arguments: &[&str]) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_quorumlb"));
    process.args(arguments).arg("--socket").arg(socket).kill_on_drop(true);
    process
}

impl Side {
    async fn run(&self, arguments: &[&str]) -> Output {
        let output = process(&self.socket, arguments).output();
        timeout(Duration::from_secs(30), output).await.expect("it ends").unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn what_scripts_read_is_there() {
    let side = side();
    let owners = side.json(&["get", "owners", "-o", "json"]).await;
    assert_eq!(owners[0]["address"], "10.0.5.101");
    assert_eq!((&owners[0]["node"], &owners[0]["epoch"]), (&"node1".into(), &1.into()));
    let nodes = side.json(&["get", "nodes", "-o", "json"]).await;
    let sessions: Vec<_> = nodes.as_array().unwrap().iter().map(|node| &node["session"]).collect();
    assert_eq!(sessions, ["live", "live", "none"]);
    assert_eq!(side.json(&["get", "raft", "-o", "json"]).await["leader"], "node1");
    for what in ["services", "pools", "bgp", "advertisements", "backends"] {
        assert!(side.json(&["get", what, "-o", "json"]).await.is_array(), "{what}");
    }
}

#[tokio::test]
async fn an_operator_finds_out_why() {
    let side = side();
    let services = out(&side.run(&["get", "services"]).await);
    assert!(services.contains("pending: AddressNotInPool: 192.0.2.1 is in no pool"), "{services}");
    assert!(services.contains("no L2 policy speaks for the address"), "{services}");
    let web = out(&side.run(&["get", "services", "web"]).await);
    assert!(web.contains("10.0.5.101 is answered by node1"), "{web}");
    assert!(web.contains("not by node2: could: node1 owns it"), "{web}");
    assert!(web.contains("not by node3: no L2 policy selects the node"), "{web}");
    let nodes = out(&side.run(&["get", "nodes"]).await);
    assert!(nodes.contains("its files are wrong: lab.yaml:7:3: unknown field `interface`"), "{nodes}");
    let yaml = out(&side.run(&["get", "services", "web", "-o", "yaml"]).await);
    assert!(yaml.contains("\n  service: default/web\n"), "{yaml}");
    let status = out(&side.run(&["status"]).await);
    assert!(status.contains("\nnodes       2 of 3 live\nservices    3, of which 1 pending\n"), "{status}");
    let two = side.json(&["get", "raft", "node2", "-o", "json"]).await;
    assert_eq!(two["members"].as_array().map(Vec::len), Some(1), "a name is not passed over");
    assert!(status.contains("leader      node1") && status.contains("- node node3 has no session"), "{status}");
    let bgp = side.run(&["get", "bgp"]).await;
    let row = " node1  leaf   10.0.5.1  65005  Established  1m 15s  2       Up, 150 ms  the peer closed the connection (1m 20s ago)";
    assert!(out(&bgp).lines().any(|line| line == row) && bgp.status.success(), "{}", out(&bgp));
}

#[tokio::test]
async fn no_is_one_and_nonsense_is_two() {
    let side = side();
    for arguments in [
        &["get", "services", "nothing"][..],
        &["get", "nodes", "node9"],
        &["get", "raft", "node9"],
        &["drain", "node9"],
    ] {
        let output = side.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(err(&output).starts_with("error: "), "{}", err(&output));
    }
    assert_eq!(side.run(&["get", "nonsense"]).await.status.code(), Some(2));
    let nobody = process(&side.folder.path().join("none.sock"), &["get", "nodes"]).output().await.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(err(&nobody).contains("is it running? (systemctl status quorumlb"), "{}", err(&nobody));
    *side.desk.obstacle.lock().unwrap() = Some(no_leader());
    let leaderless = side.run(&["drain", "node1"]).await;
    assert!(err(&leaderless).contains("no leader for "), "{}", err(&leaderless));
}

#[tokio::test]
async fn draining_waits_until_nothing_is_owned() {
    let side = side();
    let desk = side.desk.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        let node = NodeName::from("node1");
        let addresses = desk
            .group
            .view()
            .read(|state| state.owned_by(&node).map(|(address, owned)| (address, owned.epoch)).collect());
        desk.apply(Command::Release { node, addresses });
    });
    let drained = side.run(&["drain", "node1"]).await;
    assert_eq!((out(&drained), drained.status.code()), ("node1 is drained\n".into(), Some(0)));
    assert!(err(&drained).contains("node1 still owns 1 address\n"), "{}", err(&drained));
    assert_eq!(out(&side.run(&["undrain", "node1"]).await), "node1 serves again\n");
    assert_eq!(out(&side.run(&["undrain", "node1"]).await), "node1 was not drained\n");
    assert_eq!(out(&side.run(&["drain", "node2", "--no-wait"]).await), "node2 is draining\n");
    let late = side.run(&["drain", "node2", "--timeout", "1s"]).await;
    assert_eq!(late.status.code(), Some(1));
    assert!(err(&late).contains("still owns 1 address; it stays draining: "), "{}", err(&late));
}

#[tokio::test]
async fn the_last_that_may_answer_is_not_drained_unasked() {
    let side = side();
    side.desk.apply(Command::Drain { node: "node2".into(), on: true });
    let refused = side.run(&["drain", "node1"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("no other node may answer for 10.0.5.101 (default/web)"), "{}", err(&refused));
    assert!(!side.desk.group.view().read(|state| state.members[&NodeName::from("node1")].draining));
    assert_eq!(out(&side.run(&["drain", "node1", "--force", "--no-wait"]).await), "node1 is draining\n");
    assert_eq!(out(&side.run(&["drain", "node1", "--no-wait"]).await), "node1 is draining\n", "it is asked for once");
}

#[tokio::test]
async fn without_a_quorum_the_tables_say_that_they_are_old() {
    let side = side();
    assert_eq!(side.json(&["get", "owners", "-o", "json"]).await[0]["confirmed"], true);
    side.desk.board.update(|status| status.session.valid_for = None);
    let head = "Not confirmed by a quorum since 2023-11-14T22:13:20.500Z: this is what the node last knew.\n";
    for arguments in [&["get", "services"][..], &["get", "owners"], &["get", "nodes"], &["get", "raft"], &["status"]] {
        let said = out(&side.run(arguments).await);
        assert!(said.starts_with(head), "{arguments:?}: {said}");
    }
    for what in ["services", "owners", "nodes"] {
        assert_eq!(side.json(&["get", what, "-o", "json"]).await[0]["confirmed"], false, "{what}");
    }
    let owners = out(&side.run(&["get", "owners"]).await);
    assert!(owners.contains("no quorum confirms this node's session, so it answers for nothing"), "{owners}");
}

#[tokio::test]
async fn the_configuration_in_force_is_shown() {
    let side = side();
    let config = side.json(&["get", "config", "-o", "json"]).await;
    let names: Vec<_> = config["objects"].as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
    assert!(names.contains(&"pool public".into()) && names.contains(&"service default/web".into()), "{names:?}");
    let yaml = out(&side.run(&["get", "config", "public", "-o", "yaml"]).await);
    assert!(yaml.contains("10.0.5.109") && !yaml.contains("default/web"), "{yaml}");
    let table = out(&side.run(&["get", "config"]).await);
    assert!(table.lines().any(|line| line.contains("service default/db ") && line.ends_with("files")), "{table}");
    assert_eq!(side.run(&["get", "config", "nothing"]).await.status.code(), Some(1));
}

#[tokio::test]
async fn a_follower_says_who_knows_the_lag() {
    let side = side();
    let hint = "SILENT and LAG are known on the leader alone";
    assert!(!out(&side.run(&["get", "raft"]).await).contains(hint));
    side.desk.board.update(|status| {
        if let Some((_, leader)) = status.raft.as_mut().and_then(|raft| raft.leader.as_mut()) {
            leader.name = "node2".into();
        }
    });
    assert!(out(&side.run(&["get", "raft"]).await).contains(&format!("{hint}: ask on node2.")));
}

#[tokio::test]
async fn a_node_leaves_or_says_why_not() {
    let side = side();
    assert_eq!(out(&side.run(&["leave"]).await), "node1 has left\n");
    assert_eq!(out(&side.run(&["leave", "--no-wait"]).await), "node1 is leaving\n");
    *side.desk.leaving.lock().unwrap() = Err("the last voter cannot leave".into());
    let refused = side.run(&["leave"]).await;
    assert_eq!((err(&refused), refused.status.code()), ("error: the last voter cannot leave\n".into(), Some(1)));
}

#[tokio::test]
async fn events_are_shown_and_followed() {
    let side = side();
    let all = out(&side.run(&["events"]).await);
    assert!(all.contains("10.0.5.101 goes to node1, epoch 1"), "{all}");
    assert!(all.starts_with("2023-11-14T22:13:20.001Z"), "{all}");
    assert!(side.json(&["events", "-o", "json", "--limit", "2"]).await.is_array());
    let mut child =
        process(&side.socket, &["events", "--follow", "--limit", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    let wanted = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if seen.is_empty() {
                side.desk.apply(Command::Drain { node: "node3".into(), on: true });
            }
            seen.push(line);
            if seen.last().is_some_and(|line| line.ends_with("node3 is draining")) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), wanted).await.expect("it is told");
    drop(child);
}

#[tokio::test]
async fn a_snapshot_is_saved_whole() {
    let side = side();
    let file = side.folder.path().join("group.snap");
    let saved = side.run(&["snapshot", "save", file.to_str().unwrap()]).await;
    assert_eq!(saved.status.code(), Some(0), "{}", err(&saved));
    let state = replica::import(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(state.wanted.services.len(), 3);
    let nowhere = side.run(&["snapshot", "save", "/nowhere/group.snap"]).await;
    assert_eq!(nowhere.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(side.folder.path()).unwrap().count(), 2, "no draft is left");
}
