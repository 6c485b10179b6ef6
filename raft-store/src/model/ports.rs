//! The ports of a service.

use serde::{Deserialize, Serialize};

use super::Port;

/// Ports in their order, each once. Written out as a set is; in memory a list, since most services have one or two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ports(Box<[Port]>);

impl Ports {
    /// The ports in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Port> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Port> for Ports {
    fn from_iter<I: IntoIterator<Item = Port>>(ports: I) -> Self {
        let mut ports: Vec<Port> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        Self(ports.into())
    }
}

impl<const N: usize> From<[Port; N]> for Ports {
    fn from(ports: [Port; N]) -> Self {
        ports.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Ports {
    type Item = &'a Port;
    type IntoIter = std::slice::Iter<'a, Port>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|ports: Vec<Port>| ports.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Protocol;

    #[test]
    fn they_are_what_a_set_of_them_is() {
        let port = |number| Port { number, protocol: Protocol::Tcp, name: format!("p{number}") };
        let (list, set) = (Ports::from([port(80), port(22), port(80)]), BTreeSet::from([port(80), port(22), port(80)]));
        assert!(list.iter().eq(&set));
        assert_eq!((list.len(), list.is_empty(), Ports::default().is_empty()), (2, false, true));
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(json, serde_json::to_string(&set).unwrap());
        assert_eq!(serde_json::from_str::<Ports>(&json).unwrap(), list);
        let unsorted = serde_json::to_string(&[port(80), port(22)]).unwrap();
        assert_eq!(serde_json::from_str::<Ports>(&unsorted).unwrap(), list);
    }
}
