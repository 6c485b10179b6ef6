//! Which of many networks hold an address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::model::Family;

/// Networks with a value each. A look-up asks once for each prefix length in use, however many networks there are.
#[derive(Clone, Debug)]
pub(crate) struct PrefixIndex<T> {
    networks: BTreeMap<IpNetwork, T>,
    lengths: BTreeMap<Family, Vec<u8>>,
}

impl<T> Default for PrefixIndex<T> {
    fn default() -> Self {
        Self { networks: BTreeMap::new(), lengths: BTreeMap::new() }
    }
}

impl<T: Default> PrefixIndex<T> {
    /// The value of a network, put there first if it is new. Host bits are ignored.
    pub(crate) fn entry(&mut self, network: IpNetwork) -> &mut T {
        let lengths = self.lengths.entry(Family::of(network.ip())).or_default();
        if let Err(place) = lengths.binary_search(&network.prefix()) {
            lengths.insert(place, network.prefix());
        }
        self.networks.entry(canonical(network)).or_default()
    }

    /// The values of all networks that hold the address, the widest network first.
    pub(crate) fn holding(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let lengths = self.lengths.get(&Family::of(address)).map_or(&[][..], Vec::as_slice);
        lengths.iter().filter_map(move |&length| {
            let network = IpNetwork::new(address, length).ok()?;
            self.networks.get(&canonical(network))
        })
    }
}

fn canonical(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_that_holds_the_address_is_found() {
        let mut index = PrefixIndex::<u32>::default();
        for (network, value) in [("10.0.5.11/24", 1), ("10.0.0.0/16", 2), ("::/0", 3), ("10.0.6.0/24", 4)] {
            *index.entry(network.parse().unwrap()) = value;
        }
        let found = |address: &str| index.holding(address.parse().unwrap()).copied().collect::<Vec<_>>();
        assert_eq!(found("10.0.5.200"), [2, 1]);
        assert_eq!(found("10.1.5.200"), [] as [u32; 0]);
        assert_eq!(found("::ffff:10.0.5.200"), [3]);
    }
}
