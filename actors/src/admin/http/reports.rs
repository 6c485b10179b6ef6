//! What is read.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::replica;
use serde::Deserialize;

use super::super::desk::Desk;
use super::super::report;
use super::Context;
use super::answer::{Problem, json, rows, view};

/// Which of the rows.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    /// A service's name, or `namespace/name`.
    name: Option<String>,
}

type Wish = Result<Query<Filter>, QueryRejection>;
type Answer = Result<Response, Problem>;

pub(super) async fn services<D: Desk>(Shared(cx): Shared<Context<D>>, filter: Wish) -> Answer {
    let Query(filter) = filter?;
    let status = cx.desk.status().read();
    rows(&cx.desk, |state| report::services(state, &status, filter.name.as_deref()))
}

pub(super) async fn backends<D: Desk>(Shared(cx): Shared<Context<D>>, filter: Wish) -> Answer {
    let Query(filter) = filter?;
    rows(&cx.desk, |state| report::backends(state, filter.name.as_deref()))
}

pub(super) async fn pools<D: Desk>(Shared(cx): Shared<Context<D>>) -> Answer {
    rows(&cx.desk, report::pools)
}

pub(super) async fn nodes<D: Desk>(Shared(cx): Shared<Context<D>>) -> Answer {
    let status = cx.desk.status().read();
    rows(&cx.desk, |state| report::nodes(state, &status))
}

pub(super) async fn owners<D: Desk>(Shared(cx): Shared<Context<D>>) -> Answer {
    let status = cx.desk.status().read();
    rows(&cx.desk, |state| report::owners(state, &status))
}

pub(super) async fn bgp<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    let rows = cx.desk.status().look(report::bgp);
    json(&rows)
}

pub(super) async fn advertisements<D: Desk>(Shared(cx): Shared<Context<D>>, filter: Wish) -> Answer {
    let Query(filter) = filter?;
    let address = filter.name.as_deref().map(|name| {
        name.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{name:?} is not an address")))
    });
    let address = address.transpose()?;
    let status = cx.desk.status().read();
    rows(&cx.desk, |state| report::advertisements(state, &status, address))
}

pub(super) async fn config<D: Desk>(Shared(cx): Shared<Context<D>>, filter: Wish) -> Answer {
    let Query(filter) = filter?;
    // Written out while the state is held: the objects are too many to be copied.
    Ok(view(&cx.desk)?.read(|state| json(&report::config(state, filter.name.as_deref()))))
}

pub(super) async fn raft<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    let report = cx.desk.status().look(report::raft);
    json(&report)
}

pub(super) async fn status<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    json(&status_report(&cx.desk))
}

/// The whole report, whether the node is part of the group or not.
pub(super) fn status_report<D: Desk>(desk: &D) -> report::StatusReport {
    let status = desk.status().read();
    match desk.view() {
        Some(view) => view.read(|state| report::status(Some(state), &status)),
        None => report::status(None, &status),
    }
}

pub(super) async fn snapshot<D: Desk>(Shared(cx): Shared<Context<D>>) -> Answer {
    let busy = |_| Problem::unavailable("another snapshot is being taken; ask again");
    let _one = cx.shared.snapshots.try_acquire().map_err(busy)?;
    // The copy is quick; the state goes on changing while it is encoded.
    let state = view(&cx.desk)?.read(State::clone);
    match replica::export(&state) {
        Ok(bytes) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
