//! Parts of a change that take effect together. Until the last one is there they are kept aside, and nothing else looks
//! at them.

use serde::{Deserialize, Serialize};

use super::{Event, Outcome, State};
use crate::model::{Delta, NodeName, PartOf};

/// The parts of one change that have come so far, the first one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Staged {
    by: NodeName,
    of: PartOf,
    parts: Vec<Delta>,
}

impl State {
    /// Takes a change of the files: at once, or as a part of one that takes effect with its last part. A part that does
    /// not follow the one before is refused, and its proposer begins anew. A first part takes the place of whatever was
    /// kept aside, so that what was begun and never ended leaves nothing behind but itself.
    pub(super) fn configure_in_parts(&mut self, delta: &Delta, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        let Some(part) = delta.part else {
            if delta.complete.is_some() {
                // Whatever else was begun was begun from another state.
                self.staged = None;
            }
            return self.configure_files(delta, by, events);
        };
        if part.number == 0 {
            self.staged = Some(Staged { by: by.clone(), of: part.of, parts: Vec::new() });
        }
        let staged = self.staged.as_mut().filter(|staged| staged.by == *by && staged.of == part.of);
        let Some(staged) = staged.filter(|staged| staged.parts.len() >= part.number as usize) else {
            return Outcome::Refused("other changes came between the parts of this one; propose it again".to_owned());
        };
        if staged.parts.len() > part.number as usize {
            return Outcome::Done;
        }
        staged.parts.push(delta.clone());
        if staged.parts.len() < part.of.count as usize {
            return Outcome::Done;
        }
        let parts = self.staged.take().map(|staged| staged.parts).unwrap_or_default();
        self.configure_files(&Delta::joined(parts), by, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Command, Proposal};
    use crate::model::{Age, Block, ConfigDigest, Dialect, Labels, Object, Pool, PoolScope, Service, ServiceKey};

    fn pool() -> Object {
        Object::Pool(Box::new(Pool {
            name: "pool".into(),
            dialect: Dialect::Native,
            age: Age::default(),
            labels: Labels::new(),
            blocks: vec![Block::Cidr("10.0.0.0/24".parse().unwrap())],
            disabled: false,
            auto_assign: true,
            reserve_first_last: false,
            avoid_buggy: false,
            scope: PoolScope::default(),
            priority: None,
        }))
    }

    /// Three parts: a pool, and two services that ask for addresses in it.
    fn parts(config: u8) -> Vec<Delta> {
        let service = |name: &str, address: &str| {
            let mut service = Service::bare(ServiceKey::new("default", name));
            service.requests.native = vec![address.parse().unwrap()];
            Object::Service(Box::new(service))
        };
        let put = vec![pool(), service("a", "10.0.0.7"), service("b", "10.0.0.8")];
        let parts = Delta { put, complete: Some(ConfigDigest([config; 32])), ..Delta::default() }.chunks(1, 10_000);
        assert_eq!(parts.len(), 3);
        parts
    }

    fn propose(state: &mut State, by: &str, delta: &Delta) -> Outcome {
        let command = Command::Configure(delta.clone());
        state.apply(1, &Proposal { at_ms: 0, by: by.into(), command }).outcome
    }

    fn served(state: &State) -> usize {
        state.book.grants().count()
    }

    #[test]
    fn nothing_stands_before_the_last_part() {
        let (mut state, parts) = (State::default(), parts(1));
        assert_eq!(propose(&mut state, "a", &parts[0]), Outcome::Done);
        assert_eq!(propose(&mut state, "a", &parts[1]), Outcome::Done);
        assert_eq!((&state.wanted, served(&state), state.config), (&State::default().wanted, 0, None));
        // Neither a snapshot nor a part that comes twice makes a difference.
        let mut state = crate::replica::import(&crate::replica::export(&state).unwrap()).unwrap();
        assert_eq!(propose(&mut state, "a", &parts[1]), Outcome::Done);
        assert_eq!(propose(&mut state, "a", &parts[2]), Outcome::Done);
        assert_eq!((served(&state), state.config), (2, Some(ConfigDigest([1; 32]))));
        assert_eq!(state.staged, None);
    }

    #[test]
    fn parts_of_different_changes_are_not_mixed() {
        let (mut state, one, other) = (State::default(), parts(1), parts(2));
        assert!(matches!(propose(&mut state, "a", &one[1]), Outcome::Refused(_)), "there is no first part");
        propose(&mut state, "a", &one[0]);
        assert!(matches!(propose(&mut state, "a", &one[2]), Outcome::Refused(_)), "one is missing");
        assert!(matches!(propose(&mut state, "a", &other[1]), Outcome::Refused(_)), "it is of another change");
        assert!(matches!(propose(&mut state, "b", &one[1]), Outcome::Refused(_)), "it is another's");
        propose(&mut state, "b", &other[0]);
        assert!(matches!(propose(&mut state, "a", &one[1]), Outcome::Refused(_)), "another one has begun");
        let small = Delta { complete: Some(ConfigDigest([3; 32])), ..Delta::default() };
        assert_eq!(propose(&mut state, "c", &small), Outcome::Done);
        assert!(matches!(propose(&mut state, "b", &other[1]), Outcome::Refused(_)), "another one has ended");
        assert_eq!(served(&state), 0);
        one.iter().for_each(|part| assert_eq!(propose(&mut state, "a", part), Outcome::Done));
        assert_eq!(served(&state), 2);
    }
}
