//! The status page: one small page of its own, readable at a glance.

use std::fmt::Write;

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::super::desk::Desk;
use super::super::report::{self, NodeRow, OwnerRow, StatusReport};
use super::Context;
use super::reports::status_report;

/// Owners beyond this many are counted, not shown.
const MOST_OWNERS: usize = 500;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
    content=\"width=device-width\"><meta http-equiv=refresh content=5><style>\
    body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2430;background:#fff}\
    h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #d9dee5;vertical-align:top}\
    th{font-weight:600}.good{color:#0a6b3d}.bad{color:#b3261e}li{margin:.2rem 0}\
    @media(prefers-color-scheme:dark){body{color:#dde3ea;background:#14181d}th,td{border-color:#333b45}\
    .good{color:#5fd39a}.bad{color:#ff8a80}}</style>";

pub(super) async fn page<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    let status = cx.desk.status().read();
    let (nodes, owners) = match cx.desk.view() {
        Some(view) => view.read(|state| (report::nodes(state, &status), report::owners(state, &status))),
        None => (Vec::new(), Vec::new()),
    };
    let html = render(&status_report(&cx.desk), &nodes, &owners);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

fn render(report: &StatusReport, nodes: &[NodeRow], owners: &[OwnerRow]) -> String {
    let mut html = String::from(HEAD);
    let (node, cluster) = (escape(&report.node), escape(&report.cluster));
    let _ = write!(html, "<title>{node} · {cluster} · QuorumLB</title><h1>{node} <small>of {cluster}</small></h1>");
    let raft = &report.raft;
    let mut leader = raft.leader.as_deref().map_or("nobody".to_owned(), escape);
    if raft.leader_silent_ms.is_some() {
        leader += " <b class=bad>does not answer</b>";
    }
    let session = match raft.session.valid_for_ms {
        Some(_) => "<b class=good>valid</b>".to_owned(),
        None => format!(
            "<b class=bad>not valid</b> {}; what follows is not confirmed by a quorum",
            escape(&raft.session.why_not)
        ),
    };
    let _ = write!(
        html,
        "<table><tr><th>Version<td>{}<tr><th>Phase<td>{} {}<tr><th>Role<td>{}, term {}<tr><th>Leader<td>{leader}\
         <tr><th>Session<td>{session}<tr><th>Applied<td>{} of {}<tr><th>Disk<td>{}<tr><th>Files<td>{} {}</table>",
        escape(report.version),
        raft.phase,
        escape(&raft.phase_why),
        raft.role,
        raft.term,
        raft.applied.unwrap_or(0),
        raft.last_log.unwrap_or(0),
        raft.disk,
        escape(&report.config.path),
        report.config.digest.as_deref().unwrap_or(""),
    );
    problems(&mut html, &report.problems);
    if let Some(group) = report.group {
        let _ = write!(
            html,
            "<h2>Group</h2><p>{} of {} nodes live, {} services ({} pending), {} addresses with an owner</p>",
            group.live, group.nodes, group.services, group.pending, group.owners
        );
    }
    table_of_nodes(&mut html, nodes);
    table_of_owners(&mut html, owners);
    html
}

fn problems(html: &mut String, problems: &[String]) {
    html.push_str("<h2>Problems</h2>");
    if problems.is_empty() {
        html.push_str("<p class=good>none</p>");
        return;
    }
    html.push_str("<ul class=bad>");
    problems.iter().for_each(|problem| {
        let _ = write!(html, "<li>{}", escape(problem));
    });
    html.push_str("</ul>");
}

fn table_of_nodes(html: &mut String, nodes: &[NodeRow]) {
    html.push_str("<h2>Nodes</h2><table><tr><th>Node<th>Session<th>Raft<th>Addresses<th>Version<th>Remarks");
    for node in nodes {
        let class = if node.session == "live" { "good" } else { "bad" };
        let _ = write!(
            html,
            "<tr><td>{}<td class={class}>{}<td>{}{}<td>{}<td>{}<td>{}",
            escape(&node.name),
            node.session,
            node.raft,
            match (node.leader, node.leader_silent) {
                (true, true) => ", leads, does not answer",
                (true, false) => ", leads",
                (false, _) => "",
            },
            node.owned,
            escape(&node.version),
            escape(&node.not_eligible.join("; ")),
        );
    }
    html.push_str("</table>");
}

fn table_of_owners(html: &mut String, owners: &[OwnerRow]) {
    html.push_str("<h2>Owners</h2><table><tr><th>Address<th>Node<th>Interfaces<th>Epoch<th>Services");
    for owner in owners.iter().take(MOST_OWNERS) {
        let moving = if owner.moving { " (moving)" } else { "" };
        let _ = write!(
            html,
            "<tr><td>{}<td>{}{moving}<td>{}<td>{}<td>{}",
            owner.address,
            escape(&owner.node),
            escape(&owner.interfaces.join(", ")),
            owner.epoch,
            escape(&owner.services.join(", ")),
        );
    }
    html.push_str("</table>");
    if owners.len() > MOST_OWNERS {
        let _ = write!(html, "<p>and {} more</p>", owners.len() - MOST_OWNERS);
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
