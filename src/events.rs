//! `quorumlb events`: what happened, and what happens.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use quorumlb_raft_store::machine::{Event, Listed, Record};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::client::{self, Client, Failure};
use crate::output::{Format, note, print, structured};

/// Before a stream that ended is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// A longer line is no event.
const MAX_LINE: usize = 16 << 20;

/// Show what happened lately: addresses given and moved, sessions, drains, configurations.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  quorumlb events\n  quorumlb events --follow\n  \
    quorumlb events --after 1200 -o json        go on after log index 1200")]
pub struct Events {
    /// Go on with what happens, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Only what came after this log index.
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,
    /// How many of the newest, or of the next after --after.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// How to print; with --follow, json is one object a line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    client: Client,
}

impl Events {
    pub fn run(self) -> ExitCode {
        client::run(async move {
            match self.follow {
                true => self.follow().await,
                false => self.page().await,
            }
        })
    }

    fn path(&self, after: Option<u64>, follow: bool) -> String {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        format!("/v1/events?limit={}&follow={follow}{after}", self.limit)
    }

    async fn page(self) -> Result<ExitCode, Failure> {
        let mut page = self.client.get_json(&self.path(self.after, false)).await?;
        if !page["gap"].is_null() {
            note(gap(&page["gap"]));
        }
        let events = page["events"].take();
        print(&structured(self.output, &events).unwrap_or_else(|| {
            events.as_array().into_iter().flatten().map(|event| format!("{}\n", line(event))).collect()
        }));
        Ok(ExitCode::SUCCESS)
    }

    /// Goes on until interrupted. When the node goes away it is asked again for what came meanwhile.
    async fn follow(self) -> Result<ExitCode, Failure> {
        let mut after = self.after;
        let mut body = self.client.stream(&self.path(after, true)).await?;
        loop {
            let mut rest = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                let Some(bytes) = frame.data_ref() else { continue };
                rest.extend_from_slice(bytes);
                self.tell_lines(&mut rest, &mut after);
                if rest.len() > MAX_LINE {
                    return Err(Failure("the answer makes no sense: a line does not end".to_owned()));
                }
            }
            note("the stream ended; asking again");
            body = loop {
                sleep(AGAIN).await;
                if let Ok(body) = self.client.stream(&self.path(after, true)).await {
                    break body;
                }
            };
        }
    }

    /// Prints all whole lines.
    fn tell_lines(&self, rest: &mut Vec<u8>, after: &mut Option<u64>) {
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = rest.drain(..=end).collect();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
            if !value["gap"].is_null() {
                note(gap(&value["gap"]));
            }
            *after = (*after).max(value["index"].as_u64()).max(value["gap"]["upto"].as_u64());
            match self.output {
                Format::Json => print(&format!("{value}\n")),
                Format::Yaml => print(&format!("---\n{}", crate::yaml::to_yaml(&value))),
                Format::Table if value["index"].is_u64() => print(&format!("{}\n", self::line(&value))),
                Format::Table => {}
            }
        }
    }
}

fn gap(gap: &Value) -> String {
    format!("events from log index {} to {} are not kept any more", gap["after"], gap["upto"])
}

/// An event on a line.
fn line(value: &Value) -> String {
    // A newer node may tell what this program does not know.
    let Ok(record) = serde_json::from_value::<Record>(value.clone()) else { return value.to_string() };
    format!("{} {:>8} {}", moment(record.at_ms), record.index, told(&record.event))
}

/// A moment of the wall clock, in UTC.
pub fn moment(at_ms: u64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000) else {
        return at_ms.to_string();
    };
    let (date, time) = (at.date(), at.time());
    format!("{date}T{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
}

/// A number, and the names of the first few.
fn listed(of: &Listed) -> String {
    let more = if of.count as usize > of.names.len() { ", ..." } else { "" };
    match of.names.is_empty() {
        true => of.count.to_string(),
        false => format!("{} ({}{more})", of.count, of.names.join(", ")),
    }
}

fn told(event: &Event) -> String {
    let list = |all: &[std::net::IpAddr]| match all.is_empty() {
        true => "none".to_owned(),
        false => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    match event {
        Event::Replaced { digest, before, by, removed, changed, added } => format!(
            "configuration {digest} of {by}'s files replaces {before}: removes {}, changes {}, adds {added}",
            listed(removed),
            listed(changed)
        ),
        Event::Configured { digest, by } => format!("configuration {digest} of {by}'s files is in force"),
        Event::Allocated { service, addresses, before } => {
            format!("service {service} has {} (before: {})", list(addresses), list(before))
        }
        Event::Pending { service, reason, message } => format!("service {service} is pending: {reason}: {message}"),
        Event::Granted { address, node, epoch, from: Some(from), why } => {
            let why = why.map_or(String::new(), |why| format!(": {why:?}"));
            format!("{address} goes from {from} to {node}, epoch {}{why}", epoch.0)
        }
        Event::Granted { address, node, epoch, .. } => format!("{address} goes to {node}, epoch {}", epoch.0),
        Event::ReleaseAsked { address, node, epoch, why } => {
            format!("{node} is asked to release {address}, epoch {}: {why:?}", epoch.0)
        }
        Event::Unowned { address, from, message } => format!("{address} has no owner after {from}: {message}"),
        Event::SessionOpened { node, session } => format!("{node} has session {}", session.0),
        Event::SessionExpired { node, session } => {
            format!("{node} was not confirmed in time: its session {} is over", session.0)
        }
        Event::SessionClosed { node } => format!("{node} handed over and stopped"),
        Event::Drained { node, on: true } => format!("{node} is draining"),
        Event::Drained { node, on: false } => format!("{node} serves again"),
        Event::Refused { address, node, message } => format!("{node} cannot answer for {address}: {message}"),
        Event::NodeChanged { node, message } => format!("{node}: {message}"),
        Event::Forgotten { node } => format!("{node} has left the group"),
        Event::Leaving { node } => format!("{node} is leaving the group"),
        Event::HandingOver { node } => format!("{node} is about to stop and hands over"),
        Event::TakenOver { service } => format!("service {service} came through the API and is ruled by the files now"),
    }
}
