//! The command line as a user types it: exit states, the article's example, and what wrong input gives.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::replica;
use serde_json::Value;

const NODES: &str = "deploy/lab/nodes.yaml";
const L2: &str = "deploy/article/l2.yaml";
const BGP: &str = "deploy/article/bgp.yaml";

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
fn the_table_tells_why_nobody_answers() {
    let directory = tempfile::tempdir().unwrap();
    let text = |policy: &str| {
        let group = "apiVersion: quorumlb.io/v1alpha1\n";
        let pool = format!("{group}kind: IPPool\nmetadata: {{name: p}}\nspec: {{addresses: [192.0.2.1-192.0.2.9]}}\n");
        let service = "kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, protocol: TCP}]}\n";
        format!("{pool}---\n{group}{service}{policy}")
    };
    let policy = "---\napiVersion: quorumlb.io/v1alpha1\nkind: L2Policy\nmetadata: {name: none}\nspec: \
                  {nodeSelectors: [{matchLabels: {rack: nowhere}}]}\n";
    for (policy, why) in [("", "no L2 policy speaks for the address"), (policy, "no L2 policy selects the node")] {
        let file = write(directory.path(), "a.yaml", &text(policy));
        let output = quorumlb(&["plan", NODES, file.to_str().unwrap(), "-o", "table"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.lines().any(|line| line.contains("192.0.2.1  nobody") && line.contains(why)), "{said}");
    }
}

#[test]
fn the_articles_bgp_example_is_told_by_every_node_of_each_rack() {
    let told = json(&quorumlb(&["plan", BGP, NODES]))["advertisements"].clone();
    let row = |node: &str, peer: &str, prefix: &str| serde_json::json!({"node": node, "peer": peer, "prefix": prefix, "localPref": 100, "communities": []});
    let nodes =
        [("node1", "10.0.5.1", 0), ("node2", "10.0.5.1", 3), ("node3", "10.0.10.1", 1), ("node4", "10.0.10.1", 2)];
    let expected: Vec<Value> = nodes
        .into_iter()
        .flat_map(|(node, leaf, pods)| [row(node, leaf, &format!("10.1.{pods}.0/24")), row(node, leaf, "20.0.10.0/32")])
        .collect();
    assert_eq!(told, Value::Array(expected));
    let table = String::from_utf8(quorumlb(&["plan", BGP, NODES, "-o", "table"]).stdout).unwrap();
    assert!(table.contains("PREFIX") && table.contains("20.0.10.0/32"), "{table}");
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
    let plan = quorumlb(&["plan", wrong]);
    assert_eq!(plan.status.code(), Some(2));
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert!(said.ends_with("\nno plan: the input is not valid\n"), "{said}");
    assert_eq!(quorumlb(&["plan", "no-such-file.yaml"]).status.code(), Some(2));
    assert_eq!(quorumlb(&["plan", L2, "--from", "no-such-file.json"]).status.code(), Some(2));
    assert_eq!(quorumlb(&["plam"]).status.code(), Some(2));
}

#[test]
fn nothing_to_check_is_not_valid() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().to_str().unwrap();
    for text in [None, Some("# nothing yet\n")] {
        if let Some(text) = text {
            write(directory.path(), "empty.yaml", text);
        }
        let check = quorumlb(&["check", folder]);
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(said.contains("nothing to check: there is no manifest") && !said.contains("valid"), "{said}");
        assert_eq!(check.status.code(), Some(2));
        assert_eq!(quorumlb(&["check", folder, "-o", "json"]).status.code(), Some(2));
    }
}

#[test]
fn the_unit_starts_what_the_program_understands() {
    let unit =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/quorumlb.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/quorumlb ")).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let nowhere = nowhere.path().join("none");
    let with = start.replace("/etc/quorumlb", nowhere.to_str().unwrap()).replace("$QUORUMLB_ARGS", "--node node1");
    let output = quorumlb(&with.split_whitespace().collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("No such file") && said.contains("the manifests are wrong"),
        "not a question of usage: {said}"
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(unit.contains("RestartPreventExitStatus=2\n"));
}

#[test]
fn an_authority_and_a_certificate_are_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, node) = (directory.path().join("ca"), directory.path().join("node1"));
    let (ca, node) = (ca.to_str().unwrap(), node.to_str().unwrap());
    assert_eq!(quorumlb(&["pki", "init", "--dir", ca, "--cluster", "lab"]).status.code(), Some(0));
    assert_eq!(quorumlb(&["pki", "issue", "node1", "--dir", ca, "--out", node]).status.code(), Some(0));
    assert_eq!(quorumlb(&["pki", "init", "--dir", "nowhere", "--cluster", ""]).status.code(), Some(2));
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
    let store = quorumlb_raft_store::log::LogStore::open(&data).unwrap();
    let in_use = restore("node1", &state, &["--force"]);
    assert_eq!(in_use.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("held by another process"), "{in_use:?}");
    drop(store);
    let forced = restore("node1", &state, &["--force"]);
    assert!(String::from_utf8_lossy(&forced.stdout).contains("raft.redb.before-restore-1"), "{forced:?}");
}

#[test]
fn a_start_that_cannot_be_says_why_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, pki, data, socket) = (path("ca"), path("pki"), path("data"), path("run/admin.sock"));
    let run = |more: &[&str]| {
        let run = ["run", "--config", NODES, "--node", "node1", "--socket", &socket, "--metrics", "none"];
        let output = quorumlb(&[&run, more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--data", &data]);
    assert!(code == Some(2) && said.contains("this node has no certificate"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    quorumlb(&["pki", "init", "--dir", &ca, "--cluster", "lab"]);
    quorumlb(&["pki", "issue", "node1", "--dir", &ca, "--out", &pki]);
    let file = write(folder.path(), "file", "");
    let (code, said) = run(&["--pki", &pki, "--data", file.to_str().unwrap()]);
    assert!(code == Some(2) && said.contains("is a file; the data directory is a folder"), "{said}");

    std::fs::create_dir(&data).unwrap();
    let held = quorumlb_raft_store::log::LogStore::open(Path::new(&data)).unwrap();
    let (code, said) = run(&["--pki", &pki, "--data", &data]);
    assert!(code == Some(1) && said.contains("held by another process"), "{said}");
    assert!(said.contains("is quorumlb running already?"), "{said}");
    drop(held);
    assert!(!Path::new(&socket).exists());
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
