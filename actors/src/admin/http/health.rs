//! What probes and Prometheus ask.

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::desk::Desk;
use super::super::{metrics, report};
use super::Context;
use super::answer::Problem;

pub(super) async fn healthz<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    match cx.desk.status().look(report::health) {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

pub(super) async fn readyz<D: Desk>(Shared(cx): Shared<Context<D>>) -> Response {
    let in_group = cx.desk.view().is_some();
    let ready = cx.desk.status().look(|status| report::readiness(status, in_group));
    let warnings: String = ready.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    if ready.reasons.is_empty() {
        return format!("ok\n{warnings}").into_response();
    }
    let reasons: String = ready.reasons.iter().map(|reason| format!("{reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, reasons + &warnings).into_response()
}

pub(super) async fn metrics<D: Desk>(Shared(cx): Shared<Context<D>>) -> Result<Response, Problem> {
    let (status, view) = (cx.desk.status().read(), cx.desk.view());
    cx.shared.moves.count(view.as_ref());
    let moves = cx.shared.moves.by_reason();
    let requests = &cx.shared.requests;
    let text = match view {
        Some(view) => view.read(|state| metrics::encode(Some(state), &status, &moves, requests)),
        None => metrics::encode(None, &status, &moves, requests),
    };
    let text = text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
