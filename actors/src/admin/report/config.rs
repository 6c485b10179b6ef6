//! The configuration in force.

use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::{ObjectKey, ObjectRef};
use serde::Serialize;

/// What the group goes by: the wanted state as it was understood, whatever the files of a node say.
#[derive(Debug, Serialize)]
pub struct ConfigReport<'a> {
    /// The digest of the files that it came from; `None` before the first is complete. Services that came through the API
    /// stand beside it.
    pub digest: Option<String>,
    /// Its objects, what others depend on first.
    pub objects: Vec<ConfigObject<'a>>,
}

/// An object of it.
#[derive(Debug, Serialize)]
pub struct ConfigObject<'a> {
    /// Its kind and name, as events name it.
    pub name: String,
    /// Where it came from: `files` or `api`.
    pub source: &'static str,
    /// What it says, by the kind's name in the model.
    pub object: ObjectRef<'a>,
}

/// The configuration; only the objects called `name`, if there is one.
pub fn config<'a>(state: &'a State, name: Option<&str>) -> ConfigReport<'a> {
    let of = |object: ObjectRef<'a>| {
        let key = object.key();
        let from_api = matches!(&key, ObjectKey::Service(service) if state.from_api().contains(service));
        ConfigObject { name: key.to_string(), source: if from_api { "api" } else { "files" }, object }
    };
    let called = |object: &ConfigObject<'a>| {
        name.is_none_or(|name| object.name == name || object.name.rsplit(' ').next() == Some(name))
    };
    let objects = state.wanted.refs().map(of).filter(called).collect();
    ConfigReport { digest: state.config.map(|digest| digest.to_string()), objects }
}
