//! Services through the API. This path is measured: it makes no more than it needs.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use quorumlb_raft_store::machine::{Command, Outcome, State};
use quorumlb_raft_store::model::{Service, ServiceKey};
use quorumlb_raft_store::replica::View;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::super::desk::Desk;
use super::super::report::PendingRow;
use super::Context;
use super::answer::{Problem, json, view};
use super::changes::PATIENCE;
use crate::source::{self, Diagnostic};

/// The largest body that is taken.
pub(super) const MAX_BODY: usize = 1 << 20;

/// How long to wait until this node has applied what the leader has.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

#[derive(Serialize)]
struct Taken {
    service: String,
    addresses: Vec<IpAddr>,
    pending: Option<PendingRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Diagnostic>,
}

pub(super) async fn put<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body?;
    let view = view(&cx.desk)?;
    let (service, warnings) = source::read_service(body.into()).map_err(|found| {
        let first = found
            .first()
            .map_or_else(String::new, |first| format!("{}:{}: {}", first.line, first.column, first.message));
        Problem::input(first, found)
    })?;
    let service = Box::new(service);
    match cx.desk.propose(Command::PutService(service.clone()), PATIENCE).await? {
        Outcome::Refused(why) => Err(Problem::new(StatusCode::CONFLICT, why)),
        Outcome::Done | Outcome::Session(_) => {
            let (addresses, pending) = outcome(&view, &service).await;
            Ok(json(&Taken { service: service.key.to_string(), addresses, pending, warnings }))
        }
    }
}

/// What became of a service. It is applied on the leader; this node may be a moment behind.
async fn outcome(view: &View, service: &Service) -> (Vec<IpAddr>, Option<PendingRow>) {
    let look = |state: &State| {
        let there = state.wanted.services.get(&service.key).is_some_and(|known| **known == *service);
        there.then(|| {
            let addresses = state.book.grants_of(&service.key).iter().map(|grant| grant.address).collect();
            let pending = state.book.pending().get(&service.key);
            let row = |of: &quorumlb_raft_store::ipam::Pending| PendingRow {
                reason: of.reason.to_string(),
                message: of.message.clone(),
            };
            (addresses, pending.map(row))
        })
    };
    if let Some(found) = view.read(look) {
        return found;
    }
    let deadline = Instant::now() + CATCH_UP;
    while Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
        if let Some(found) = view.read(look) {
            return found;
        }
    }
    let message = "taken by the group; this node has not applied it yet, or it was changed again meanwhile".to_owned();
    (Vec::new(), Some(PendingRow { reason: "NotAppliedHere".to_owned(), message }))
}

pub(super) async fn delete<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let view = view(&cx.desk)?;
    let key = ServiceKey { namespace, name };
    match cx.desk.propose(Command::DeleteService(key.clone()), PATIENCE).await? {
        Outcome::Refused(why) => {
            let known = view.read(|state| state.wanted.services.contains_key(&key));
            Err(Problem::new(if known { StatusCode::CONFLICT } else { StatusCode::NOT_FOUND }, why))
        }
        Outcome::Done | Outcome::Session(_) => {
            Ok(json(&serde_json::json!({ "service": key.to_string(), "deleted": true })))
        }
    }
}
