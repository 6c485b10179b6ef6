//! `quorumlb get`: what a running node knows.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::client::{self, Client, Failure, encoded};
use crate::output::{Format, no, print, structured};
use crate::tables;

/// Show what a running node knows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  quorumlb get services                 which addresses, who answers, what is pending and why\n  \
    quorumlb get services default/web     why each of the other nodes does not announce it\n  \
    quorumlb get nodes                    who is live, who drains, whose files are wrong\n  \
    quorumlb get config -o yaml           the configuration in force, to compare with the files\n  \
    quorumlb get raft -o json             who leads, how far each member is, is the disk full\n\n\
    Exit status: 0 done, 1 no answer or no such name, 2 wrong usage."
)]
pub struct Get {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// Only the one with this name: a service (or namespace/name), pool, node, address, member or object.
    name: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    client: Client,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Services: addresses, owners, what is pending and why.
    Services,
    /// Pools: how full they are.
    Pools,
    /// Nodes: sessions, interfaces, files, and why one may not answer.
    Nodes,
    /// Who answers for which address.
    Owners,
    /// BGP sessions.
    Bgp,
    /// What routers are told.
    Advertisements,
    /// Backends of the services.
    Backends,
    /// The Raft group, the disk and the session.
    Raft,
    /// The configuration in force, whatever this node's files say.
    Config,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Pools => "pools",
            Self::Nodes => "nodes",
            Self::Owners => "owners",
            Self::Bgp => "bgp",
            Self::Advertisements => "advertisements",
            Self::Backends => "backends",
            Self::Raft => "raft",
            Self::Config => "config",
        }
    }

    /// The field that a name is compared with; `None` where the node filters.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::Services | Self::Backends | Self::Config => None,
            Self::Pools | Self::Nodes => Some("name"),
            Self::Owners => Some("address"),
            Self::Bgp | Self::Advertisements | Self::Raft => Some("node"),
        }
    }
}

impl Get {
    pub fn run(self) -> ExitCode {
        client::run(self.ask())
    }

    async fn ask(self) -> Result<ExitCode, Failure> {
        let what = self.what.name();
        let query = match (&self.name, self.what.key()) {
            (Some(name), None) => format!("?name={}", encoded(name)),
            _ => String::new(),
        };
        let mut found = self.client.get_json(&format!("/v1/{what}{query}")).await?;
        if let (Some(name), Value::Array(rows)) = (&self.name, &mut found) {
            if let Some(key) = self.what.key() {
                rows.retain(|row| row[key] == name.as_str());
            }
            if rows.is_empty() {
                return Ok(no(format!("there is no {name} among the {what}")));
            }
        }
        let members = found.get_mut("members").and_then(Value::as_array_mut);
        if let (Some(name), Some(members)) = (&self.name, members) {
            members.retain(|member| member["name"] == name.as_str());
            if members.is_empty() {
                return Ok(no(format!("there is no {name} among the members")));
            }
        }
        if let (Some(name), Some([])) = (&self.name, found["objects"].as_array().map(Vec::as_slice)) {
            return Ok(no(format!("there is no {name} in the configuration")));
        }
        match structured(self.output, &found) {
            Some(text) => print(&text),
            None => {
                let session = match self.what {
                    What::Raft => found["session"].clone(),
                    _ => self.client.get_json("/v1/raft").await?["session"].take(),
                };
                print(&(tables::unconfirmed(&session) + &self.for_people(&found)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn for_people(&self, found: &Value) -> String {
        let Some(rows) = found.as_array() else {
            return if self.what == What::Config { tables::config(found) } else { tables::raft(found) };
        };
        let mut text = tables::list(self.what.name(), rows);
        if self.what == What::Services && self.name.is_some() {
            text.extend(rows.iter().map(tables::service));
        }
        text
    }
}
