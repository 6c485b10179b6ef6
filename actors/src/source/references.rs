//! Names that lead nowhere.

use super::decode::{Cx, crop};
use super::objects::{Objects, Target};
use super::overlap;

/// Warns of references to what the input does not hold.
pub(super) fn check(objects: &Objects, cx: Cx) {
    for reference in &objects.references {
        let name = reference.name.as_str();
        let found = match reference.to {
            Target::Pool(dialect) => objects.has(overlap::kind(dialect), name),
            Target::PeerConfig => objects.has("CiliumBGPPeerConfig", name),
            Target::BgpPeer => objects.has("BGPPeer", name),
            Target::BfdProfile => objects.has("BFDProfile", name),
            Target::Community => objects.has("Community alias", name),
            Target::Secret => objects.has("Secret", name),
        };
        if found {
            continue;
        }
        cx.report.enter(reference.object.clone());
        let hint = match reference.to {
            Target::Pool(_) => "nothing is announced on its behalf",
            Target::PeerConfig => "the session runs with defaults, and nothing is advertised to the peer",
            Target::BgpPeer => "nothing is advertised to it",
            Target::BfdProfile => "the session runs without BFD",
            Target::Community => "the routes go without it; a Community object can define the alias",
            Target::Secret => "the session stays down until the Secret is there",
        };
        let message = format!("there is no {} `{}` in the input", reference.to, crop(name));
        cx.report.warning(reference.place, message, hint.to_owned());
    }
    cx.report.enter(None);
}
