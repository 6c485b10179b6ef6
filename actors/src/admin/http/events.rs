//! What happened: a page of it, or a stream that goes on.
//!
//! Nothing is dropped silently: where records are missing, a gap says up to where.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use quorumlb_raft_store::machine::Record;
use quorumlb_raft_store::replica::{Change, View};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::timeout;

use super::super::desk::Desk;
use super::Context;
use super::answer::{Problem, json, view};

/// Records in a page unless told otherwise.
const PAGE: usize = 1000;
/// Records in a page at most.
const MOST: usize = 10_000;
/// Records in one piece of a stream.
const PIECE: usize = 256;
/// An empty line this often keeps a quiet stream alive.
const BEAT: Duration = Duration::from_secs(10);

/// Which events.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// Only those after this log index; without it the newest.
    after: Option<u64>,
    /// About so many.
    limit: Option<usize>,
    /// Goes on with what happens.
    #[serde(default)]
    follow: bool,
}

#[derive(Serialize)]
struct PageAnswer {
    events: Vec<Record>,
    gap: Option<Gap>,
    /// Give this as `after` to go on.
    next: Option<u64>,
}

/// Records that are not kept any more.
#[derive(Serialize)]
struct Gap {
    after: u64,
    upto: u64,
}

#[derive(Serialize)]
struct GapLine {
    gap: Gap,
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: &'a str,
}

pub(super) async fn events<D: Desk>(
    Shared(cx): Shared<Context<D>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wish) = wish?;
    let view = view(&cx.desk)?;
    let limit = wish.limit.unwrap_or(PAGE).min(MOST);
    if wish.follow {
        let lines = Body::from_stream(stream::unfold(Follower::new(cx.desk, view, wish.after, limit), Follower::next));
        return Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response());
    }
    let page = view.page(wish.after, limit);
    let gap = page.lost.zip(wish.after).map(|(upto, after)| Gap { after, upto });
    let next = page.records.last().map(|record| record.index).or(page.lost).or(wish.after);
    Ok(json(&PageAnswer { events: page.records, gap, next }))
}

/// A stream of events. The history is its queue: it holds a place in it, and never more than one piece.
struct Follower<D> {
    desk: D,
    view: View,
    changes: Receiver<Change>,
    /// Told up to this log index.
    after: Option<u64>,
    /// How many of the newest to begin with.
    newest: usize,
    over: bool,
}

impl<D: Desk> Follower<D> {
    fn new(desk: D, view: View, after: Option<u64>, newest: usize) -> Self {
        let (_, changes) = view.follow(|_, _| ());
        Self { desk, view, changes, after, newest, over: false }
    }

    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        if self.over {
            return None;
        }
        loop {
            let lines = self.piece();
            if !lines.is_empty() {
                return Some((Ok(lines.into()), self));
            }
            // Whatever changed, the history tells it; having missed changes is no harm.
            match timeout(BEAT, self.changes.recv()).await {
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Err(_) if self.desk.view().is_some_and(|view| view.is_of(&self.view)) => {
                    return Some((Ok(Bytes::from_static(b"\n")), self));
                }
                Err(_) | Ok(Err(RecvError::Closed)) => {
                    self.over = true;
                    let mut line = Vec::new();
                    push(&mut line, &EndLine { end: "the node stopped, or stands aside; ask again" });
                    return Some((Ok(line.into()), self));
                }
            }
        }
    }

    /// The next lines, if there are any now.
    fn piece(&mut self) -> Vec<u8> {
        let first = self.after.is_none();
        let page = self.view.page(self.after, if first { self.newest } else { PIECE });
        let mut lines = Vec::new();
        if let (Some(after), Some(upto)) = (self.after, page.lost) {
            push(&mut lines, &GapLine { gap: Gap { after, upto } });
            self.after = Some(upto);
        }
        for record in &page.records {
            push(&mut lines, record);
        }
        let last = page.records.last().map(|record| record.index);
        self.after = self.after.max(last);
        if first && last.is_none() {
            // Nothing has happened yet: from here on, nothing may be missed.
            self.after = Some(0);
        }
        lines
    }
}

fn push<T: Serialize>(lines: &mut Vec<u8>, value: &T) {
    // Records have text keys only, so this cannot fail; a half line is taken back.
    let before = lines.len();
    match serde_json::to_writer(&mut *lines, value) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}
