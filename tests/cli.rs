//! The command line as a user types it: exit states, the article's example, and what wrong input gives.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::replica;
use serde_json::Value;

const NODES: &str = "deploy/lab/nodes.yaml";
const L2: &str = "deploy/article/l2.yaml";

fn quorumlb(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorumlb"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary runs")
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a plan is JSON")
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_articles_l2_example_has_one_owner_in_rack0() {
    let plan = json(&quorumlb(&["plan", L2, NODES]));
    assert_eq!(plan["allocations"][0]["service"], "default/nginx-service");
    assert_eq!(plan["allocations"][0]["addresses"], serde_json::json!(["10.0.5.100"]));
    let owners = plan["owners"].as_array().unwrap();
    assert_eq!(owners.len(), 1);
    assert!(["node1", "node2"].contains(&owners[0]["node"].as_str().unwrap()), "{owners:?}");
    assert_eq!(owners[0]["interfaces"], serde_json::json!(["net0"]));
    assert_eq!(plan["pools"][0]["total"], 101);
}

#[test]
fn a_plan_continues_from_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let first = quorumlb(&["plan", L2, NODES]);
    let owner = json(&first)["owners"][0]["node"].as_str().unwrap().to_owned();
    let before = write(directory.path(), "before.json", &String::from_utf8(first.stdout).unwrap());
    let again = json(&quorumlb(&["plan", L2, NODES, "--from", before.to_str().unwrap()]));
    assert_eq!(again["moves"], serde_json::json!([]));

    let nodes = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(NODES)).unwrap();
    let without: String = nodes
        .lines()
        .filter(|line| !line.contains(&format!("name: {owner},")))
        .map(|line| format!("{line}\n"))
        .collect();
    let fewer = write(directory.path(), "nodes.yaml", &without);
    let moved = json(&quorumlb(&["plan", L2, fewer.to_str().unwrap(), "--from", before.to_str().unwrap()]));
    assert_eq!(moved["moves"][0]["why"], "NodeLost");
    assert_eq!(moved["moves"][0]["from"], owner.as_str());
    assert_eq!(moved["owners"][0]["epoch"], 2);
    assert_eq!(moved["allocations"], json(&quorumlb(&["plan", L2, NODES]))["allocations"], "the address stays");
}

#[test]
fn pending_services_are_told_and_may_be_a_no() {
    let directory = tempfile::tempdir().unwrap();
    let lonely = write(
        directory.path(),
        "service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: lonely}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n",
    );
    let lonely = lonely.to_str().unwrap();
    let plan = json(&quorumlb(&["plan", lonely]));
    assert_eq!(plan["pending"][0]["reason"], "NoMatchingPool");
    assert_eq!(quorumlb(&["plan", lonely, "--fail-on-pending"]).status.code(), Some(1));
}

#[test]
fn wrong_input_is_located_and_ends_with_two() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = write(
        directory.path(),
        "pool.yaml",
        "apiVersion: cilium.io/v2alpha1\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: p}\nspec:\n  blocks:\n  \
         - start: 10.0.5.200\n    stop: 10.0.5.100\n",
    );
    let wrong = wrong.to_str().unwrap();
    let check = quorumlb(&["check", wrong]);
    assert_eq!(check.status.code(), Some(2));
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("pool.yaml:6:") || said.contains("pool.yaml:7:"), "{said}");
    assert_eq!(quorumlb(&["plan", wrong]).status.code(), Some(2));
    assert_eq!(quorumlb(&["plan", "no-such-file.yaml"]).status.code(), Some(2));
    assert_eq!(quorumlb(&["plan", L2, "--from", "no-such-file.json"]).status.code(), Some(2));
    assert_eq!(quorumlb(&["plam"]).status.code(), Some(2));
}

#[test]
fn an_authority_and_a_certificate_are_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, node) = (directory.path().join("ca"), directory.path().join("node1"));
    let (ca, node) = (ca.to_str().unwrap(), node.to_str().unwrap());
    assert_eq!(quorumlb(&["pki", "init", "--dir", ca, "--cluster", "lab"]).status.code(), Some(0));
    assert_eq!(quorumlb(&["pki", "issue", "node1", "--dir", ca, "--out", node]).status.code(), Some(0));
    let again = quorumlb(&["pki", "init", "--dir", ca, "--cluster", "lab"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).starts_with("error: "));
}

#[test]
fn shells_get_their_completions() {
    let bash = quorumlb(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&bash.stdout).contains("quorumlb"), "{bash:?}");
}

#[test]
fn a_saved_state_is_restored_into_an_empty_directory_only() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.qlb");
    std::fs::write(&state, replica::export(&State::default()).unwrap()).unwrap();
    let data = directory.path().join("data");
    let restore = |node: &str, file: &Path, more: &[&str]| {
        let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
        let restore = ["snapshot", "restore", file, "--config", NODES, "--node", node, "--data", data];
        quorumlb(&[&restore, more].concat())
    };
    let unknown = restore("node9", &state, &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("it has: node1, node2"), "{unknown:?}");
    assert_eq!(restore("node1", Path::new(NODES), &[]).status.code(), Some(2), "not a saved state");
    assert!(!data.exists());

    let first = restore("node1", &state, &[]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let again = restore("node1", &state, &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"), "{again:?}");
    let forced = restore("node1", &state, &["--force"]);
    assert!(String::from_utf8_lossy(&forced.stdout).contains("raft.redb.before-restore-1"), "{forced:?}");
}

#[test]
fn our_kinds_are_given_to_an_api_server() {
    let list = json(&quorumlb(&["crds", "-o", "json"]));
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["bgppolicies.quorumlb.io", "ippools.quorumlb.io", "l2policies.quorumlb.io"]);
    let yaml = quorumlb(&["crds"]);
    assert_eq!(yaml.status.code(), Some(0));
    let text = String::from_utf8(yaml.stdout).unwrap();
    assert_eq!(text.matches("---\napiVersion: apiextensions.k8s.io/v1\n").count(), 3, "{text}");
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "crds.yaml", &text);
    assert_eq!(quorumlb(&["check", file.to_str().unwrap()]).status.code(), Some(0), "it is YAML");
}
