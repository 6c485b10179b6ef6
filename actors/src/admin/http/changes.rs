//! Nodes are drained, serve again, and leave.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use quorumlb_raft_store::machine::{Command, Outcome};
use quorumlb_raft_store::model::NodeName;
use serde::{Deserialize, Serialize};

use super::super::desk::Desk;
use super::super::report;
use super::Context;
use super::answer::{Problem, json, view};

/// How long a proposal may wait for a leader.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Addresses that a refusal names at most.
const NAMED: usize = 20;

/// How a node is drained.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Also when addresses are left with nobody.
    #[serde(default)]
    force: bool,
}

#[derive(Serialize)]
struct Drained {
    node: String,
    draining: bool,
}

/// Whether the answer comes only when it is done.
#[derive(Debug, Deserialize)]
pub(super) struct Waiting {
    wait: Option<bool>,
}

pub(super) async fn drain<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    Path(node): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(how) = how?;
    if !how.force {
        refuse_to_leave_alone(&cx, &node)?;
    }
    set(cx, node, true).await
}

/// A node that alone may answer for something is not drained unasked: nobody would be left who does.
fn refuse_to_leave_alone<D: Desk>(cx: &Context<D>, node: &str) -> Result<(), Problem> {
    let node = NodeName(node.to_owned());
    let (alone, mut texts) = view(&cx.desk)?.read(|state| {
        let draining = state.members.get(&node).is_some_and(|member| member.draining);
        let alone = if draining { Vec::new() } else { report::only_by(state, &node) };
        let text = |address: &IpAddr| {
            let services: Vec<_> = state.users_of(*address).into_iter().map(ToString::to_string).collect();
            format!("{address} ({})", services.join(", "))
        };
        let texts: Vec<String> = alone.iter().take(NAMED).map(text).collect();
        (alone, texts)
    });
    if alone.is_empty() {
        return Ok(());
    }
    if alone.len() > NAMED {
        texts.push(format!("and {} more", alone.len() - NAMED));
    }
    let list = texts.join(", ");
    let why =
        format!("no other node may answer for {list}: with {node} drained nobody would; --force drains it anyway");
    Err(Problem::new(StatusCode::CONFLICT, why))
}

pub(super) async fn undrain<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    Path(node): Path<String>,
) -> Result<Response, Problem> {
    set(cx, node, false).await
}

async fn set<D: Desk>(cx: Context<D>, node: String, on: bool) -> Result<Response, Problem> {
    view(&cx.desk)?;
    let name = NodeName(node);
    match cx.desk.propose(Command::Drain { node: name.clone(), on }, PATIENCE).await? {
        Outcome::Refused(why) => {
            let known = view(&cx.desk)?
                .read(|state| state.wanted.nodes.contains_key(&name) || state.members.contains_key(&name));
            Err(Problem::new(if known { StatusCode::CONFLICT } else { StatusCode::NOT_FOUND }, why))
        }
        Outcome::Done | Outcome::Session(_) => Ok(json(&Drained { node: name.0, draining: on })),
    }
}

/// The node hands over and leaves. Whoever asked may hang up: it goes on.
pub(super) async fn leave<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    waiting: Result<Query<Waiting>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(waiting) = waiting?;
    view(&cx.desk)?;
    let node = cx.desk.status().look(|status| status.node.to_string());
    let desk = cx.desk.clone();
    let leaving = tokio::spawn(async move { desk.leave().await });
    if waiting.wait == Some(false) {
        let mut answer = json(&serde_json::json!({ "node": node, "left": false }));
        *answer.status_mut() = StatusCode::ACCEPTED;
        return Ok(answer);
    }
    match leaving.await {
        Ok(Ok(())) => Ok(json(&serde_json::json!({ "node": node, "left": true }))),
        Ok(Err(why)) => Err(Problem::new(StatusCode::CONFLICT, why)),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
