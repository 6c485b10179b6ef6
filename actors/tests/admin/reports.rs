//! The rows, as scripts see them.

use quorumlb_actors::admin::report;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::Command;

use super::world::{desk, status};

#[test]
fn rows_of_a_small_group() {
    let (view, status) = (desk().group.view(), status());
    view.read(|state| {
        insta::assert_json_snapshot!("services", report::services(state, &status, None));
        insta::assert_json_snapshot!("services-web", report::services(state, &status, Some("default/web")));
        insta::assert_json_snapshot!("nodes", report::nodes(state, &status));
        insta::assert_json_snapshot!("owners", report::owners(state, &status));
        insta::assert_json_snapshot!("pools", report::pools(state));
        insta::assert_json_snapshot!("backends", report::backends(state, None));
        insta::assert_json_snapshot!("raft", report::raft(&status));
        insta::assert_json_snapshot!("status", report::status(Some(state), &status));
        assert!(report::bgp().is_empty() && report::advertisements().is_empty());
        assert!(report::services(state, &status, Some("other/web")).is_empty());
        assert_eq!(report::backends(state, Some("db")).len(), 1);
    });
}

#[test]
fn a_drained_owner_shows_where_its_addresses_go() {
    let desk = desk();
    desk.apply(Command::Drain { node: "node1".into(), on: true });
    desk.group.view().read(|state| {
        let owner = &report::owners(state, &status())[0];
        assert!(owner.moving && owner.why.is_some(), "{owner:?}");
        let node = &report::nodes(state, &status())[0];
        assert!(node.draining && node.not_eligible == ["the node is draining"], "{node:?}");
    });
}

#[test]
fn a_full_disk_and_wrong_files_are_named() {
    let mut status = status();
    status.disk = StorageHealth::Full;
    status.config.error = "a.yaml:3:5: unknown field".into();
    let problems = report::problems(None, &status);
    assert!(problems.iter().any(|problem| problem.contains("disk is full")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("a.yaml:3:5")), "{problems:?}");
    let ready = report::readiness(&status, true);
    assert_eq!((ready.reasons.len(), ready.warnings.len()), (1, 1));
}
