//! The kernel's settings that decide whether it speaks ARP for addresses on the loopback interface.
//!
//! By default Linux answers ARP for any of its addresses on any interface, and may name any of them as sender when it asks.
//! Either would answer for an address behind the fence's back (promise P3). Neighbour discovery needs no setting: Linux
//! answers for addresses of the asked interface only.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::HoldError;
use crate::sysctl;

/// Where the settings are.
pub(super) const CONF: &str = "/proc/sys/net/ipv4/conf";

/// What was found and done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Settings that were changed, as `name = new (was old)`.
    pub changed: Vec<String>,
    /// What may keep packets away, though nothing forbids to hold addresses.
    pub warnings: Vec<String>,
}

/// A setting that must be right on every interface. The kernel takes the larger of an interface's value and that of `all`.
struct Need {
    setting: &'static str,
    want: u32,
    right: fn(u32) -> bool,
}

const NEEDS: [Need; 2] = [
    // 1: only for addresses of the asked interface. 2: and from its subnet. 3: not for addresses of scope host, which held
    // ones have. 8: never. Values between, and above, mean nothing to the kernel: it answers.
    Need { setting: "arp_ignore", want: 1, right: |value| matches!(value, 1 | 2 | 3 | 8) },
    // 2: never a sender that is not an address of the asking interface's. Values above mean 0.
    Need { setting: "arp_announce", want: 2, right: |value| value == 2 },
];

/// Checks the settings below `conf`, and raises those of `all` that are too low.
pub(super) fn prepare(conf: &Path) -> Result<Prepared, HoldError> {
    let mut prepared = Prepared::default();
    let interfaces = interfaces(conf)?;
    for need in &NEEDS {
        ensure(conf, &interfaces, need, &mut prepared)?;
    }
    prepared.warnings.extend(strict_filters(conf, &interfaces)?);
    Ok(prepared)
}

fn ensure(conf: &Path, interfaces: &[String], need: &Need, prepared: &mut Prepared) -> Result<(), HoldError> {
    let Need { setting, want, right } = *need;
    let mut all = read(conf, "all", setting)?.unwrap_or_default();
    let mut refused = None;
    if all < want {
        match fs::write(conf.join("all").join(setting), want.to_string()) {
            Ok(()) => {
                prepared.changed.push(format!("{} = {want} (was {all})", name("all", setting)));
                all = read(conf, "all", setting)?.unwrap_or_default();
            }
            Err(error) => refused = Some(error),
        }
    }
    for interface in interfaces {
        let Some(own) = read(conf, interface, setting)? else { continue };
        let value = own.max(all);
        if !right(value) {
            // Too low everywhere, or chosen wrong in one place: the one to change is the one that counts.
            let place = if value < want || own <= all { "all" } else { interface };
            let (interface, sysctl) = (interface.clone(), name(place, setting));
            return Err(HoldError::Setting { interface, sysctl, value, want, refused });
        }
    }
    Ok(())
}

/// Interfaces on which packets are taken only from sources that are routed there.
fn strict_filters(conf: &Path, interfaces: &[String]) -> Result<Option<String>, HoldError> {
    const SETTING: &str = "rp_filter";
    let all = read(conf, "all", SETTING)?.unwrap_or_default();
    let mut strict = Vec::new();
    for interface in interfaces.iter().filter(|interface| *interface != "default") {
        if read(conf, interface, SETTING)?.is_some_and(|own| own.max(all) == 1) {
            strict.push(interface.as_str());
        }
    }
    Ok((!strict.is_empty()).then(|| {
        let names = strict.join(", ");
        format!(
            "reverse path filtering is strict on {names}: packets from clients that are not routed there are dropped; \
             net.ipv4.conf.INTERFACE.{SETTING}=2 is loose"
        )
    }))
}

/// All interfaces but the loopback interface, where nobody asks, and `default`, which those to come begin with.
fn interfaces(conf: &Path) -> Result<Vec<String>, HoldError> {
    let unreadable = |source| HoldError::Unreadable { path: conf.display().to_string(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(conf).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "all" && name != "lo");
    names.sort();
    Ok(names)
}

/// A setting's value; `None` when the interface is gone.
fn read(conf: &Path, interface: &str, setting: &str) -> Result<Option<u32>, HoldError> {
    let path = conf.join(interface).join(setting);
    let unreadable = |source| HoldError::Unreadable { path: path.display().to_string(), source };
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            // The kernel takes negative values as well; they mean 0.
            Err(_) if text.starts_with('-') => Ok(Some(0)),
            Err(error) => Err(unreadable(io::Error::new(ErrorKind::InvalidData, error))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && interface != "all" => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

fn name(interface: &str, setting: &str) -> String {
    format!("net.ipv4.conf.{}.{setting}", sysctl::spelling(interface))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Settings as a kernel comes with, for `all`, `default`, `lo` and `eth0.5`.
    fn conf() -> TempDir {
        let conf = tempfile::tempdir().unwrap();
        for interface in ["all", "default", "lo", "eth0.5"] {
            fs::create_dir(conf.path().join(interface)).unwrap();
            for setting in ["arp_ignore", "arp_announce", "rp_filter"] {
                set(&conf, interface, setting, "0\n");
            }
        }
        conf
    }

    fn set(conf: &TempDir, interface: &str, setting: &str, value: &str) {
        fs::write(conf.path().join(interface).join(setting), value).unwrap();
    }

    #[test]
    fn what_is_too_low_is_raised_and_told_once() {
        let conf = conf();
        let prepared = prepare(conf.path()).unwrap();
        let want = ["net.ipv4.conf.all.arp_ignore = 1 (was 0)", "net.ipv4.conf.all.arp_announce = 2 (was 0)"];
        assert_eq!(prepared, Prepared { changed: want.map(String::from).to_vec(), warnings: Vec::new() });
        assert_eq!(fs::read_to_string(conf.path().join("all/arp_ignore")).unwrap(), "1");
        assert_eq!(prepare(conf.path()).unwrap(), Prepared::default());
    }

    #[test]
    fn a_larger_value_that_means_to_answer_is_refused() {
        for (interface, sysctl) in
            [("eth0.5", "net.ipv4.conf.eth0/5.arp_ignore"), ("all", "net.ipv4.conf.all.arp_ignore")]
        {
            let conf = conf();
            set(&conf, interface, "arp_ignore", "4\n");
            let text = prepare(conf.path()).unwrap_err().to_string();
            assert!(text.contains(&format!("set the sysctl {sysctl}=1")), "{text}");
            set(&conf, interface, "arp_ignore", "8\n");
            prepare(conf.path()).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let conf = conf();
        set(&conf, "all", "arp_ignore", "yes\n");
        let text = prepare(conf.path()).unwrap_err().to_string();
        assert!(text.contains("all/arp_ignore"), "{text}");
    }

    #[test]
    fn a_strict_filter_is_a_warning() {
        let conf = conf();
        set(&conf, "eth0.5", "rp_filter", "1\n");
        let prepared = prepare(conf.path()).unwrap();
        assert!(prepared.warnings[0].contains("strict on eth0.5"), "{prepared:?}");
        set(&conf, "all", "rp_filter", "2\n");
        assert!(prepare(conf.path()).unwrap().warnings.is_empty());
    }
}
