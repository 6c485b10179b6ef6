//! Manifests in, what each node tells its routers out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use quorumlb_actors::source;
use quorumlb_raft_store::plan::{Plan, plan};

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(path)
}

fn planned(paths: &[&str]) -> Plan {
    let paths: Vec<PathBuf> = paths.iter().map(|path| manifest(path)).collect();
    let loaded = source::load(&paths);
    assert!(!loaded.has_errors(), "{}", source::render(&loaded.diagnostics));
    plan(&loaded.wanted, None)
}

/// Every row on a line of its own: node, peer, prefix, local preference, communities.
fn rows(plan: &Plan) -> String {
    let mut text = String::new();
    for told in &plan.advertisements {
        let pref = told.local_pref.map_or("-".to_owned(), |pref| pref.to_string());
        let communities = told.communities.join(" ");
        let line = format!("{} -> {}: {} pref {pref} [{communities}]", told.node, told.peer, told.prefix);
        writeln!(text, "{line}").unwrap();
    }
    for warning in &plan.warnings {
        writeln!(text, "warning: {}: {}", warning.object, warning.message).unwrap();
    }
    text
}

#[test]
fn each_dialect_tells_what_its_rules_say() {
    for name in ["cilium_v1", "cilium_v2", "metallb", "native"] {
        let plan = planned(&[&format!("advertise/{name}.yaml")]);
        insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("advertise", rows(&plan));
        });
    }
}

#[test]
fn the_article_is_announced_by_every_node_of_each_rack() {
    let plan = planned(&["advertise/article.yaml", "article/bgp.yaml"]);
    let mut expected = String::new();
    for (node, leaf, pods) in [
        ("node1", "10.0.5.1", "10.1.0.0/24"),
        ("node2", "10.0.5.1", "10.1.3.0/24"),
        ("node3", "10.0.10.1", "10.1.1.0/24"),
        ("node4", "10.0.10.1", "10.1.2.0/24"),
    ] {
        for prefix in [pods, "20.0.10.0/32"] {
            writeln!(expected, "{node} -> {leaf}: {prefix} pref 100 []").unwrap();
        }
    }
    assert_eq!(rows(&plan), expected);
}

#[test]
fn without_nodes_nothing_is_told_and_the_plan_says_so() {
    let plan = planned(&["article/bgp.yaml"]);
    assert_eq!(plan.advertisements, []);
    assert!(rows(&plan).contains("the input has no nodes, so nothing is advertised"), "{}", rows(&plan));
}
