//! The admin side over real sockets.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use quorumlb_actors::admin::{Admin, ListenError, Options};
use quorumlb_raft_store::machine::{Command, State};
use quorumlb_raft_store::replica;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::world::{FakeDesk, desk, no_leader};

/// A served admin side.
struct Side {
    desk: FakeDesk,
    socket: PathBuf,
    tcp: std::net::SocketAddr,
    _folder: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Drop for Side {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer.
#[derive(Debug)]
struct Said {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().expect("errors are JSON").to_owned()
    }
}

fn side() -> Side {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/admin.sock");
    let admin = Admin::bind(&options(&socket)).unwrap();
    let (desk, tcp) = (desk(), admin.metrics_address().unwrap());
    let task = tokio::spawn(admin.serve(desk.clone()));
    Side { desk, socket, tcp, _folder: folder, task }
}

fn options(socket: &Path) -> Options {
    Options { socket: socket.to_owned(), metrics: Some(([127, 0, 0, 1], 0).into()) }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, method: &str, path: &str, body: &[u8]) -> Said {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n");
    let _ = write!(request, "content-length: {}\r\n\r\n", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    // The answer may come, and the connection go, before all of a body that is too large was sent.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("an answer in time");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Said { status, head, body: answer[end..].to_vec() }
}

impl Side {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Said {
        exchange(UnixStream::connect(&self.socket).await.unwrap(), method, path, body.as_bytes()).await
    }

    async fn get(&self, path: &str) -> Said {
        self.ask("GET", path, "").await
    }

    async fn tcp(&self, method: &str, path: &str) -> Said {
        exchange(TcpStream::connect(self.tcp).await.unwrap(), method, path, b"").await
    }
}

fn service(name: &str, more: &str) -> String {
    json!({
        "apiVersion": "quorumlb.io/v1alpha1", "kind": "Service",
        "metadata": {"name": name, "labels": {"tier": "front"}},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "backends": [{"address": "10.0.5.11"}]},
    })
    .to_string()
    .replacen("{", &format!("{{{more}"), 1)
}

#[tokio::test]
async fn everything_is_read_on_the_socket() {
    let side = side();
    for what in ["services", "pools", "nodes", "owners", "bgp", "advertisements", "backends"] {
        let said = side.get(&format!("/v1/{what}")).await;
        assert_eq!(said.status, 200, "{what}: {said:?}");
        assert!(said.json().is_array(), "{what}: {}", said.text());
    }
    assert_eq!(side.get("/v1/raft").await.json()["leader"], "node1");
    assert_eq!(side.get("/v1/status").await.json()["cluster"], "lab");
    assert_eq!(side.get("/v1/services?name=web").await.json().as_array().unwrap().len(), 1);
    let snapshot = replica::import(&side.get("/v1/snapshot").await.body).unwrap();
    assert_eq!(snapshot, side.desk.group.view().read(State::clone));
    let missing = side.get("/v1/nothing").await;
    assert_eq!((missing.status, missing.error()), (404, "there is nothing at /v1/nothing".into()));
    assert_eq!(side.ask("DELETE", "/v1/pools", "").await.status, 405);
    let wrong = side.get("/v1/events?after=x").await;
    assert_eq!((wrong.status, wrong.error().is_empty()), (400, false));
}

#[tokio::test]
async fn keys_that_mean_nothing_are_refused() {
    let side = side();
    for (path, takes) in [
        ("/v1/services?nam=web", "name"),
        ("/v1/nodes?name=node1", "nothing"),
        ("/v1/events?after=1&limt=2", "after, limit, follow"),
    ] {
        let said = side.get(path).await;
        assert_eq!(said.status, 400, "{path}");
        assert!(said.error().ends_with(&format!("takes {takes}")), "{}", said.error());
    }
    assert_eq!(side.get("/v1/services?name=web").await.status, 200);
    assert_eq!(side.tcp("GET", "/metrics?collect=all").await.status, 200);
    let drain = side.ask("POST", "/v1/nodes/node1/undrain?force=true", "").await;
    assert_eq!(drain.status, 400, "it is not done either");
    let large = side.ask("POST", "/v1/services", &"x".repeat((1 << 20) + 1)).await;
    assert_eq!((large.status, large.error()), (413, "the body is larger than 1 MiB".into()));
}

#[tokio::test]
async fn what_changes_nothing_is_on_tcp_and_nothing_else() {
    let side = side();
    let page = side.tcp("GET", "/").await;
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert!(page.text().contains("node1") && page.text().contains("10.0.5.101"), "{}", page.text());
    assert_eq!(side.tcp("GET", "/healthz").await.text(), "ok\n");
    assert_eq!(side.tcp("GET", "/readyz").await.text(), "ok\n");
    assert_eq!(side.tcp("GET", "/metrics").await.status, 200);
    for (method, path) in [("POST", "/v1/nodes/node1/drain"), ("POST", "/v1/leave"), ("GET", "/v1/snapshot")] {
        let said = side.tcp(method, path).await;
        assert_eq!(said.status, 404);
        assert!(said.error().contains("on the Unix socket"), "{}", said.error());
    }
}

#[tokio::test]
async fn services_come_change_and_go() {
    let side = side();
    let put = side.ask("POST", "/v1/services", &service("api", "")).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(put.json(), json!({"service": "default/api", "addresses": ["10.0.5.102"], "pending": null}));
    assert_eq!(side.get("/v1/services?name=api").await.json()[0]["source"], "api");
    let yaml = "apiVersion: quorumlb.io/v1alpha1\nkind: Service\nmetadata: {name: api}\nspec:\n  addresses: \
                [192.0.2.9]\n  backends: [{address: 10.0.5.11}]\n  ports: [{port: 80, protocol: TCP}]\n";
    let changed = side.ask("POST", "/v1/services", yaml).await.json();
    assert_eq!(changed["pending"]["reason"], "AddressNotInPool", "{changed}");
    let ruled = side.ask("POST", "/v1/services", &service("web", "")).await;
    assert_eq!((ruled.status, ruled.error()), (409, "default/web stands in the files; edit it there".into()));
    assert_eq!(side.ask("DELETE", "/v1/services/default/web", "").await.status, 409);
    assert_eq!(side.ask("DELETE", "/v1/services/default/api", "").await.status, 200);
    assert_eq!(side.ask("DELETE", "/v1/services/default/api", "").await.status, 404);
}

#[tokio::test]
async fn wrong_services_are_located() {
    let side = side();
    let wrong = side.ask("POST", "/v1/services", &service("api", "\"speck\": 1,\n")).await;
    assert_eq!(wrong.status, 422);
    let found = &wrong.json()["diagnostics"][0];
    assert_eq!((&found["line"], &found["hint"]), (&json!(1), &json!("did you mean `spec`?")), "{found}");
    let large = side.ask("POST", "/v1/services", &" ".repeat((1 << 20) + 1)).await;
    assert_eq!((large.status, large.error().is_empty()), (413, false), "{large:?}");
    assert_eq!(side.ask("POST", "/v1/services", "").await.status, 422);
}

#[tokio::test]
async fn nodes_are_drained_and_serve_again() {
    let side = side();
    assert_eq!(side.ask("POST", "/v1/nodes/node1/drain", "").await.json(), json!({"node": "node1", "draining": true}));
    assert_eq!(side.get("/v1/nodes").await.json()[0]["draining"], true);
    assert_eq!(side.ask("POST", "/v1/nodes/node1/undrain", "").await.status, 200);
    let unknown = side.ask("POST", "/v1/nodes/node9/drain", "").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().contains("known are: node1, node2, node3"), "{}", unknown.error());
    assert_eq!(side.ask("POST", "/v1/leave", "").await.json(), json!({"node": "node1", "left": true}));
    assert_eq!(side.ask("POST", "/v1/leave?wait=false", "").await.status, 202);
    *side.desk.leaving.lock().unwrap() = Err("the last voter cannot leave".into());
    let refused = side.ask("POST", "/v1/leave", "").await;
    assert_eq!((refused.status, refused.error()), (409, "the last voter cannot leave".into()));
}

#[tokio::test]
async fn without_a_leader_or_a_group_the_reason_is_told() {
    let side = side();
    *side.desk.obstacle.lock().unwrap() = Some(no_leader());
    let said = side.ask("POST", "/v1/services", &service("api", "")).await;
    assert_eq!(said.status, 503);
    assert!(said.error().starts_with("no leader for "), "{}", said.error());
    side.desk.in_group.store(false, Ordering::Relaxed);
    side.desk.board.update(|status| {
        status.phase = quorumlb_actors::status::Phase::Aside("the disk is full".into());
        status.session.valid_for = None;
        status.session.why_not = "the node stands aside".into();
    });
    let said = side.get("/v1/owners").await;
    assert_eq!((said.status, said.error()), (503, "standing aside: the disk is full".into()));
    let ready = side.tcp("GET", "/readyz").await;
    let lines = "standing aside: the disk is full\nthe session is not valid: the node stands aside\n";
    assert_eq!((ready.status, ready.text()), (503, lines.into()));
    assert_eq!(side.tcp("GET", "/healthz").await.status, 200);
    assert_eq!(side.get("/v1/status").await.status, 200);
    assert_eq!(side.tcp("GET", "/").await.status, 200);
}

#[tokio::test]
async fn events_are_told_in_pages() {
    let side = side();
    let all = side.get("/v1/events").await.json();
    let next = all["next"].as_u64().unwrap();
    assert_eq!(all["gap"], Value::Null);
    assert_eq!(all["events"].as_array().unwrap().last().unwrap()["index"], next);
    side.desk.apply(Command::Drain { node: "node2".into(), on: true });
    let new = side.get(&format!("/v1/events?after={next}")).await.json();
    assert_eq!(new["events"][0]["event"], json!({"Drained": {"node": "node2", "on": true}}), "{new}");
    side.desk.group.replace(100, State::default());
    let gap = side.get(&format!("/v1/events?after={next}")).await.json();
    assert_eq!(gap["gap"], json!({"after": next, "upto": 100}));
}

#[tokio::test]
async fn a_stream_goes_on_and_says_what_is_missing() {
    let side = side();
    let next = side.get("/v1/events").await.json()["next"].as_u64().unwrap();
    let mut stream = UnixStream::connect(&side.socket).await.unwrap();
    let request = format!("GET /v1/events?follow=true&after={next} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut following = async || loop {
        let line = timeout(Duration::from_secs(10), lines.next_line()).await.expect("in time").unwrap().unwrap();
        if line.starts_with('{') {
            return serde_json::from_str::<Value>(&line).unwrap();
        }
    };
    side.desk.apply(Command::Drain { node: "node3".into(), on: true });
    assert_eq!(following().await["event"]["Drained"]["node"], "node3");
    side.desk.group.replace(100, side.desk.group.view().read(State::clone));
    assert_eq!(following().await["gap"]["upto"], 100);
    side.desk.index.store(100, Ordering::Relaxed);
    side.desk.apply(Command::Drain { node: "node3".into(), on: false });
    assert_eq!(following().await["index"], 101);
}

#[tokio::test]
async fn the_socket_is_private_and_taken_over_only_from_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let first = Admin::bind(&options(&socket)).expect("a stale socket is replaced");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Admin::bind(&options(&socket)), Err(ListenError::Taken(_))));
    drop(first);
    assert!(!socket.exists(), "the file goes with the listener");
    std::fs::write(&socket, "").unwrap();
    assert!(matches!(Admin::bind(&options(&socket)), Err(ListenError::NoSocket(_))));
}

#[tokio::test]
async fn connections_are_bounded() {
    let side = side();
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(UnixStream::connect(&side.socket).await.unwrap());
    }
    let said = side.get("/v1/raft").await;
    assert_eq!((said.status, said.error()), (503, "256 connections are open already".into()));
    drop(open);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(side.get("/v1/raft").await.status, 200);
}

#[tokio::test]
async fn metrics_are_complete_and_well_formed() {
    let side = side();
    side.desk.apply(Command::Drain { node: "node1".into(), on: true });
    side.desk.apply(Command::Release {
        node: "node1".into(),
        addresses: vec![("10.0.5.101".parse().unwrap(), quorumlb_raft_store::machine::Epoch(1))],
    });
    side.get("/v1/raft").await;
    let text = side.tcp("GET", "/metrics").await.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut described = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(described.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            let name = name.split('{').next().unwrap();
            let base = name.strip_suffix("_total").unwrap_or(name);
            assert!(described.contains(base), "{line}");
            assert!(name.starts_with("quorumlb_"), "{line}");
        }
    }
    for line in [
        "quorumlb_build_info{version=\"0.1.0\",node=\"node1\",cluster=\"lab\"} 1.0",
        "quorumlb_raft_term 3.0",
        "quorumlb_raft_role{role=\"leader\"} 1.0",
        "quorumlb_raft_leader_info{leader=\"node1\"} 1.0",
        "quorumlb_raft_last_log_index 12.0",
        "quorumlb_raft_applied_index 12.0",
        "quorumlb_raft_members{part=\"voter\"} 2.0",
        "quorumlb_raft_member_silent_seconds{member=\"node2\"} 0.04",
        "quorumlb_session_valid_seconds 0.45",
        "quorumlb_fence_closed_total 0",
        "quorumlb_stalls_total 0",
        "quorumlb_pings_sent_total 10",
        "quorumlb_owned_addresses 1.0",
        "quorumlb_answering_addresses 1.0",
        "quorumlb_segment_requests_total{interface=\"net0\"} 7",
        "quorumlb_segment_answered_total{interface=\"net0\"} 5",
        "quorumlb_segment_fenced_total{interface=\"net0\"} 0",
        "quorumlb_segment_held_back_total{interface=\"net0\"} 0",
        "quorumlb_segment_kernel_dropped_total{interface=\"net0\"} 0",
        "quorumlb_segment_conflicts_total{interface=\"net0\"} 0",
        "quorumlb_segment_announced_total{interface=\"net0\"} 0",
        "quorumlb_services 3.0",
        "quorumlb_services_pending{reason=\"AddressNotInPool\"} 1.0",
        "quorumlb_services_pending{reason=\"OutOfAddresses\"} 0.0",
        "quorumlb_pool_addresses{pool=\"public\",dialect=\"native\"} 10.0",
        "quorumlb_pool_used_addresses{pool=\"public\",dialect=\"native\"} 2.0",
        "quorumlb_node_addresses{node=\"node2\"} 1.0",
        "quorumlb_moves_total{reason=\"NodeDrained\"} 1",
        "quorumlb_wire_connections 2.0",
        "quorumlb_wire_refused_total{cause=\"wrong_name\"} 1",
        "quorumlb_wire_refused_total{cause=\"too_many\"} 0",
        "quorumlb_wire_dropped_total{cause=\"garbage_packet\"} 0",
        "quorumlb_wire_dialled_total 0",
        "quorumlb_wire_lost_total 0",
        "quorumlb_disk_state{state=\"ok\"} 1.0",
        "quorumlb_certificate_end_timestamp_seconds 1900000000.0",
        "quorumlb_config_reloads_total 1",
        "quorumlb_config_reload_failures_total 0",
        "quorumlb_config_error 0.0",
        "quorumlb_actor_restarts_total{actor=\"raft\"} 0",
        "quorumlb_admin_requests_total{route=\"get\",code=\"200\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}
