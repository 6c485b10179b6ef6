//! Which services were touched of late, for those who keep up with the state.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::model::ServiceKey;

/// How many touched services are remembered; who missed more looks at everything.
const REMEMBERED: usize = 16_384;

/// How far someone has looked. Holds for one replica's state; against any other it means nothing was seen.
#[derive(Clone, Debug)]
pub struct Mark {
    journal: Arc<()>,
    seen: u64,
}

/// What was touched since a [`Mark`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Anything: nodes, pools, peers or advertisements, or more than is remembered.
    Everything,
    /// These services, their addresses or their backends.
    Services(BTreeSet<ServiceKey>),
}

/// The services that were touched, in order.
#[derive(Debug, Default)]
pub(in crate::machine) struct Journal {
    /// Tells this journal from every other.
    identity: Arc<()>,
    /// How many entries came before the first one that is remembered.
    forgotten: u64,
    touched: VecDeque<ServiceKey>,
}

impl Journal {
    /// A service, its addresses or its backends changed.
    pub(in crate::machine) fn touch(&mut self, service: &ServiceKey) {
        if self.touched.len() == REMEMBERED {
            self.touched.pop_front();
            self.forgotten += 1;
        }
        self.touched.push_back(service.clone());
    }

    /// Something changed that reaches all services.
    pub(in crate::machine) fn touch_everything(&mut self) {
        self.forgotten += self.touched.len() as u64 + 1;
        self.touched.clear();
    }

    pub(in crate::machine) fn since(&self, mark: Option<&Mark>) -> (Touched, Mark) {
        let now = Mark { journal: Arc::clone(&self.identity), seen: self.forgotten + self.touched.len() as u64 };
        let known = mark.filter(|mark| Arc::ptr_eq(&mark.journal, &self.identity) && mark.seen >= self.forgotten);
        let touched = match known {
            None => Touched::Everything,
            Some(mark) => {
                let first = usize::try_from(mark.seen - self.forgotten).unwrap_or(usize::MAX);
                Touched::Services(self.touched.iter().skip(first).cloned().collect())
            }
        };
        (touched, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ServiceKey {
        ServiceKey::new("default", name)
    }

    fn services(names: &[&str]) -> Touched {
        Touched::Services(names.iter().map(|name| key(name)).collect())
    }

    #[test]
    fn what_came_since_is_told() {
        let mut journal = Journal::default();
        let (first, mark) = journal.since(None);
        assert_eq!(first, Touched::Everything);
        assert_eq!(journal.since(Some(&mark)).0, services(&[]));
        journal.touch(&key("a"));
        journal.touch(&key("b"));
        let (touched, later) = journal.since(Some(&mark));
        assert_eq!(touched, services(&["a", "b"]));
        journal.touch(&key("b"));
        assert_eq!(journal.since(Some(&later)).0, services(&["b"]), "once more is not nothing");
        journal.touch_everything();
        let (touched, last) = journal.since(Some(&later));
        assert_eq!(touched, Touched::Everything);
        assert_eq!(journal.since(Some(&last)).0, services(&[]));
        assert_eq!(Journal::default().since(Some(&last)).0, Touched::Everything, "it is another journal");
    }

    #[test]
    fn who_missed_too_much_looks_at_everything() {
        let mut journal = Journal::default();
        let (_, mark) = journal.since(None);
        (0..REMEMBERED).for_each(|n| journal.touch(&key(&n.to_string())));
        assert!(matches!(journal.since(Some(&mark)).0, Touched::Services(all) if all.len() == REMEMBERED));
        journal.touch(&key("one more"));
        assert_eq!(journal.since(Some(&mark)).0, Touched::Everything);
    }
}
