//! Kernel settings by their names.

/// An interface's name as `sysctl` spells it: dots part the levels there, so those of the name become slashes.
pub(crate) fn spelling(interface: &str) -> String {
    interface.replace('.', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dot_of_a_vlan_becomes_a_slash() {
        assert_eq!(spelling("eth0.100"), "eth0/100");
    }
}
