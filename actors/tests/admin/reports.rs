//! The rows, as scripts see them.

use std::time::Duration;

use quorumlb_actors::admin::report;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::{Command, Incarnation, NodeReport};
use quorumlb_raft_store::model::{ConfigDigest, Delta};
use quorumlb_raft_store::net::quic::Refusal;

use super::world::{desk, report as node_report, status};

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
        insta::assert_json_snapshot!("bgp", report::bgp(&status));
        assert!(report::advertisements(state, &status, None).is_empty(), "no session is configured");
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
fn a_service_on_a_nodes_own_address_is_a_problem() {
    let desk = desk();
    let mut report = node_report("10.0.5.12/24", "");
    report.interfaces[0].addresses.push("10.0.5.100/24".parse().unwrap());
    let report = Command::Report { node: "node2".into(), incarnation: Incarnation(1), report };
    desk.apply(report);
    desk.group.view().read(|state| {
        let problems = report::problems(Some(state), &status());
        let told = "10.0.5.100 is the address of node2, and service default/silent has it";
        assert!(problems.iter().any(|problem| problem.contains(told)), "{problems:?}");
    });
}

#[test]
fn a_leader_that_is_not_reached_and_refused_certificates_are_problems() {
    let mut status = status();
    status.session.leader_silent = Some(Duration::from_secs(12));
    let refusal = |name: Option<&str>, address: &str, reason| Refusal {
        name: name.map(str::to_owned),
        address: address.parse().unwrap(),
        reason,
        count: 3,
    };
    status.refusals = vec![
        refusal(None, "10.0.5.12:40000", "it shows no certificate"),
        refusal(None, "10.9.9.9:40000", "it shows no certificate"),
    ];
    desk().group.view().read(|state| {
        let problems = report::problems(Some(state), &status);
        for told in [
            "node1 is taken for the leader, and has not answered for 12 s",
            "no connection with node2 (10.0.5.12:40000): it shows no certificate",
            "no connection with 10.9.9.9:40000: it shows no certificate",
        ] {
            assert!(problems.iter().any(|problem| problem == told), "{told}: {problems:?}");
        }
        assert!(report::nodes(state, &status)[0].leader_silent);
        assert_eq!(report::raft(&status).leader_silent_ms, Some(12_000));
    });
}

#[test]
fn a_node_whose_files_differ_from_those_in_force_is_a_problem() {
    let desk = desk();
    let complete =
        |digest| Command::Configure(Delta { complete: Some(ConfigDigest([digest; 32])), ..Delta::default() });
    desk.apply(complete(1));
    let tell = |digest| {
        let report = NodeReport { config: Some(ConfigDigest([digest; 32])), ..node_report("10.0.5.12/24", "") };
        desk.apply(Command::Report { node: "node2".into(), incarnation: Incarnation(1), report });
        desk.group.view().read(|state| {
            let problems = report::problems(Some(state), &status());
            problems.iter().any(|problem| problem.starts_with("node node2: its files differ from those in force"))
        })
    };
    assert!(!tell(1));
    assert!(tell(2));
}

#[test]
fn a_certificate_that_ends_is_named_in_time() {
    let mut status = status();
    let mut told = |days: i64| {
        let until = i64::try_from(status.now_ms).unwrap() + days * 86_400_000 + 1;
        status.credentials.until_ms = u64::try_from(until).ok();
        report::problems(None, &status).into_iter().find(|problem| problem.contains("certificate"))
    };
    assert_eq!(told(31), None);
    assert!(told(12).unwrap().starts_with("this node's certificate ends in 12 days"));
    assert!(told(-1).unwrap().starts_with("this node's certificate has ended"));
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
