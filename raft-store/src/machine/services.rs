//! Services that came through the API, one by one, beside those from the files.

use std::collections::BTreeSet;

use super::{Event, Outcome, State};
use crate::model::{Delta, NodeName, Object, ObjectKey, Service, ServiceKey, Wanted};

impl State {
    /// Applies a configuration from files. Services that came through the API stay, unless the files name them now: then
    /// the files take them over.
    pub(super) fn configure_files(&mut self, delta: &Delta, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        if self.from_api.is_empty() {
            return self.configure(delta.clone(), by, events);
        }
        for object in &delta.put {
            if let Object::Service(service) = object
                && self.from_api.remove(&service.key)
            {
                events.push(Event::TakenOver { service: service.key.clone() });
            }
        }
        let kept = |key: &ObjectKey| matches!(key, ObjectKey::Service(key) if self.from_api.contains(key));
        let mut delta = delta.clone();
        delta.remove.retain(|key| !kept(key));
        self.configure(delta, by, events)
    }

    /// A service comes through the API, or changes.
    pub(super) fn put_service(&mut self, service: &Service, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        let key = &service.key;
        let ours = self.from_api.contains(key);
        match self.wanted.services.get(key) {
            Some(_) if !ours => return in_the_files(key),
            Some(known) if **known == *service => return Outcome::Done,
            _ => {}
        }
        if !ours {
            self.from_api.insert(key.clone());
        }
        let delta = Delta { put: vec![Object::Service(Box::new(service.clone()))], ..Delta::default() };
        self.configure(delta, by, events)
    }

    /// A service that came through the API goes.
    pub(super) fn delete_service(&mut self, key: &ServiceKey, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        if !self.from_api.remove(key) {
            return match self.wanted.services.contains_key(key) {
                true => in_the_files(key),
                false => Outcome::Refused(format!("there is no service {key}")),
            };
        }
        self.configure(Delta { remove: vec![ObjectKey::Service(key.clone())], ..Delta::default() }, by, events)
    }

    /// The services that came through the API.
    pub fn from_api(&self) -> &BTreeSet<ServiceKey> {
        &self.from_api
    }

    /// What the proposer of a file configuration has to propose to get to `next`, or `None` when nothing. Services that
    /// came through the API are left out, except those that `next` names: they are put, so that the files take them over.
    pub fn delta_to_files(&self, next: &Wanted) -> Option<Delta> {
        if self.from_api.is_empty() {
            return self.wanted.delta_to(next);
        }
        let mut of_files = self.wanted.clone();
        of_files.services.retain(|key, _| !self.from_api.contains(key));
        of_files.delta_to(next)
    }
}

fn in_the_files(key: &ServiceKey) -> Outcome {
    Outcome::Refused(format!("{key} stands in the files; edit it there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Command, Proposal};
    use crate::model::{Port, Protocol};

    fn service(name: &str, port: u16) -> Service {
        let port = Port { number: port, protocol: Protocol::Tcp, name: String::new() };
        Service { ports: [port].into(), ..Service::bare(ServiceKey::new("default", name)) }
    }

    fn files(services: &[Service]) -> Wanted {
        let mut wanted = Wanted::default();
        services.iter().for_each(|service| wanted.put(Object::Service(Box::new(service.clone()))));
        wanted
    }

    fn apply(state: &mut State, command: Command) -> (Outcome, Vec<Event>) {
        let applied = state.apply(1, &Proposal { at_ms: 0, by: "node1".into(), command });
        (applied.outcome, applied.events)
    }

    fn put(service: &Service) -> Command {
        Command::PutService(Box::new(service.clone()))
    }

    #[test]
    fn a_reload_of_the_files_leaves_services_from_the_api() {
        let mut state = State::default();
        let one = files(&[service("one", 80)]);
        let delta = state.delta_to_files(&one).unwrap();
        apply(&mut state, Command::Configure(delta));
        assert_eq!(apply(&mut state, put(&service("api", 80))).0, Outcome::Done);
        assert_eq!(state.delta_to_files(&one), None);
        let two = files(&[service("two", 80)]);
        let delta = state.delta_to_files(&two).unwrap();
        assert_eq!(delta.remove, [ObjectKey::Service(ServiceKey::new("default", "one"))]);
        apply(&mut state, Command::Configure(delta));
        // A proposer that knew nothing of it names it for removal.
        let careless = state.wanted.delta_to(&two).unwrap();
        assert_eq!(careless.remove.len(), 1);
        apply(&mut state, Command::Configure(careless));
        assert!(state.wanted.services.contains_key(&ServiceKey::new("default", "api")));
        let stored = crate::replica::import(&crate::replica::export(&state).unwrap()).unwrap();
        assert_eq!(stored, state);
    }

    #[test]
    fn a_configuration_tells_what_it_takes_from_the_one_before() {
        let mut state = State::default();
        let replace = |state: &mut State, wanted: &Wanted, digest: u8| {
            let delta = state.delta_to_files(wanted).unwrap();
            let complete = Some(crate::model::ConfigDigest([digest; 32]));
            // In parts, as a large one comes.
            let parts = Delta { complete, ..delta }.chunks(3, usize::MAX).into_iter();
            parts.flat_map(|part| apply(state, Command::Configure(part)).1).collect::<Vec<_>>()
        };
        let many: Vec<Service> = (0..12).map(|number| service(&format!("s{number:02}"), 80)).collect();
        let told = |events: Vec<Event>| -> Vec<_> {
            let of = |event| match event {
                Event::Replaced { before, removed, changed, added, .. } => Some((before, removed, changed, added)),
                _ => None,
            };
            events.into_iter().filter_map(of).collect()
        };
        assert_eq!(told(replace(&mut state, &files(&many), 1)), [], "there was none before");
        let events = told(replace(&mut state, &files(&[service("s03", 81), service("new", 80)]), 2));
        // What has to take effect together comes first, services that take any address later.
        let [(before, removed, ..), last] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*before, crate::model::ConfigDigest([1; 32]));
        assert_eq!((removed.count, removed.names.len(), &*removed.names[0]), (11, 8, "service default/s00"));
        assert_eq!((last.1.count, last.2.count, &*last.2.names[0]), (0, 1, "service default/s03"));
        assert_eq!(events.iter().map(|(.., added)| added).sum::<u32>(), 1);
    }

    #[test]
    fn the_files_take_a_service_over() {
        let mut state = State::default();
        let api = service("api", 80);
        apply(&mut state, put(&api));
        let delta = state.delta_to_files(&files(std::slice::from_ref(&api))).unwrap();
        let (_, events) = apply(&mut state, Command::Configure(delta));
        assert!(events.contains(&Event::TakenOver { service: api.key.clone() }), "{events:?}");
        assert!(state.from_api().is_empty());
        let refused = Outcome::Refused("default/api stands in the files; edit it there".into());
        assert_eq!(apply(&mut state, put(&service("api", 81))).0, refused);
        assert_eq!(apply(&mut state, Command::DeleteService(api.key.clone())).0, refused);
    }

    #[test]
    fn a_service_comes_changes_and_goes() {
        let mut state = State::default();
        apply(&mut state, put(&service("api", 80)));
        assert_eq!(apply(&mut state, put(&service("api", 80))), (Outcome::Done, Vec::new()));
        apply(&mut state, put(&service("api", 81)));
        let key = ServiceKey::new("default", "api");
        assert_eq!(*state.wanted.services[&key], service("api", 81));
        assert_eq!(apply(&mut state, Command::DeleteService(key.clone())).0, Outcome::Done);
        assert_eq!(state.wanted, Wanted::default());
        let (outcome, _) = apply(&mut state, Command::DeleteService(key));
        assert_eq!(outcome, Outcome::Refused("there is no service default/api".into()));
    }
}
