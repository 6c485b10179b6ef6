//! Manifests in, wanted state and problems out.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use quorumlb_actors::source::{self, Loaded, Severity, SourceFile};
use quorumlb_raft_store::model::{
    Advertised, BgpRemote, Block, Community, Dialect, Family, InterfaceMatch, PeerMatch, RemoteAsn, ServiceKey,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(name)
}

fn text(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.to_owned() }
}

/// Loads files under paths that do not depend on where the project stands.
fn load(path: &Path) -> Loaded {
    let name = path.file_name().unwrap();
    match SourceFile::from_bytes(name, fs::read(path).unwrap()) {
        Ok(file) => source::read(vec![file]),
        Err(problem) => {
            let mut loaded = source::read(Vec::new());
            loaded.diagnostics.push(*problem);
            loaded
        }
    }
}

fn good(name: &str) -> Loaded {
    load(&folder("good").join(name))
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_wrong_file_gets_located_errors_that_help() {
    let files = files("wrong");
    assert!(files.len() >= 40);
    for path in files {
        let loaded = load(&path);
        assert!(loaded.has_errors(), "{path:?} was taken");
        for problem in &loaded.diagnostics {
            assert!(problem.line > 0 && problem.column > 0, "{path:?}: {problem}");
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("wrong", source::render(&loaded.diagnostics));
        });
    }
}

#[test]
fn good_files_of_every_kind_are_taken() {
    for path in files("good").into_iter().chain(files("article")) {
        let loaded = load(&path);
        assert!(!loaded.has_errors(), "{}", source::render(&loaded.diagnostics));
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let shown: Vec<_> = loaded.wanted.objects().map(|object| serde_json::to_string(&object).unwrap()).collect();
        let shown = format!("{}\n{}", shown.join("\n"), source::render(&loaded.diagnostics));
        insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!("good", shown);
        });
    }
}

#[test]
fn the_article_is_read_as_it_is() {
    let l2 = load(&folder("article/l2.yaml")).wanted;
    let pool = &l2.pools[&(Dialect::Cilium, "l2-pool-for-rack0".into())];
    assert_eq!(pool.blocks[0].range().to_string(), "10.0.5.100-10.0.5.200");
    assert!(!pool.reserve_first_last);
    let policy = &l2.l2_policies[&(Dialect::Cilium, "l2-lb-policy-for-rack0".into())];
    assert!(policy.addresses.load_balancer && !policy.addresses.external);
    assert!(policy.interfaces.matches("net0") && !policy.interfaces.matches("net01"));
    let bgp = load(&folder("article/bgp.yaml")).wanted;
    let peer = &bgp.bgp.peers[&(Dialect::Cilium, "rack0-65005/65005/10.0.5.1".into())];
    assert_eq!(peer.remote, BgpRemote::Address("10.0.5.1".parse().unwrap()));
    assert_eq!((peer.local_asn, peer.remote_asn), (Some(65005), RemoteAsn::Number(65005)));
    assert_eq!(bgp.bgp.advertisements.len(), 4);
    assert!(bgp.services.contains_key(&ServiceKey::new("default", "nginx-service")));
}

#[test]
fn core_kinds_mean_what_kubernetes_means() {
    let wanted = good("core.yaml").wanted;
    let node = wanted.nodes.values().next().unwrap();
    assert_eq!((node.weight, node.unschedulable, node.network_unavailable), (3, true, true));
    assert_eq!(node.addresses.len(), 1);
    let key = ServiceKey::new("shop", "web");
    let web = &wanted.services[&key];
    assert_eq!(web.requests.cilium.len(), 2);
    assert!(web.requests.cilium_sharing.as_ref().unwrap().permit_different_pods);
    assert_eq!(web.status_addresses, ["10.0.5.120".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(web.families, [Family::V4, Family::V6]);
    assert_eq!(wanted.endpoints[&key].len(), 2, "slices are merged");
    assert_eq!(wanted.services.len(), 2, "ExternalName is passed over");
    assert!(wanted.endpoints_known);
}

#[test]
fn references_among_bgp_kinds_are_resolved() {
    let loaded = good("cilium.yaml");
    let bgp = &loaded.wanted.bgp;
    let leaf = &bgp.peers[&(Dialect::Cilium, "v2/main/leaf".into())];
    assert_eq!((leaf.port, leaf.timers.hold_seconds, leaf.ebgp_hops, leaf.listen_port), (1791, 9, 4, Some(1790)));
    assert!(leaf.families[0].advertisements.is_some());
    assert_eq!(loaded.secrets.get(leaf.password.as_ref().unwrap()), Some("hidden"));
    let gateway = &bgp.peers[&(Dialect::Cilium, "v2/main/gateway".into())];
    assert_eq!(gateway.remote, BgpRemote::DefaultGateway(Family::V6));
    assert!(gateway.families.iter().all(|family| family.advertisements.is_none()));
    assert!(matches!(bgp.advertisements[&(Dialect::Cilium, "told/0".into())].what, Advertised::PodCidrs));

    let loaded = good("metallb.yaml");
    let bgp = &loaded.wanted.bgp;
    let told = &bgp.advertisements[&(Dialect::MetalLb, "told".into())];
    assert!(told.communities.contains(&Community::Standard(1234, 1)), "the alias is resolved");
    assert!(matches!(&told.peers, PeerMatch::Names(names) if names.contains("leaf")));
    let leaf = &bgp.peers[&(Dialect::MetalLb, "leaf".into())];
    assert_eq!((leaf.bfd.unwrap().multiplier, leaf.timers.keepalive_seconds), (5, 3));
    let old = &bgp.peers[&(Dialect::MetalLb, "old".into())];
    assert_eq!((old.timers.hold_seconds, old.families[0].family), (30, Family::V6));
    assert_eq!(loaded.secrets.get(old.password.as_ref().unwrap()), Some("inline"));
    assert!(!format!("{loaded:?}").contains("inline"), "passwords are never shown");
}

const CILIUM_POOL: &str = "apiVersion: cilium.io/v2alpha1\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: NAME}\n\
                           spec: {blocks: [{cidr: 10.0.0.0/24}]}\n";

#[test]
fn overlapping_pools_of_cilium_are_a_warning_and_both_are_kept() {
    let both = format!("{}---\n{}", CILIUM_POOL.replace("NAME", "one"), CILIUM_POOL.replace("NAME", "two"));
    let loaded = source::read(vec![text("a.yaml", &both)]);
    assert!(!loaded.has_errors());
    assert_eq!(loaded.wanted.pools.len(), 2);
    let hint = loaded.diagnostics[0].hint.as_deref().unwrap();
    assert!(hint.contains("a.yaml:4:") && hint.contains("`two`, is switched off"), "{hint}");
}

#[test]
fn the_addresses_of_nodes_are_no_pools() {
    let nodes = "apiVersion: quorumlb.io/v1alpha1\nkind: Cluster\nmetadata: {name: c}\nspec:\n  nodes:\n  - name: node1\n    \
                 address: 10.0.0.11\n    interfaces: [{name: net0, addresses: [10.0.0.12/24]}]\n  - {name: node2, address: \
                 10.0.1.11}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: node3}\nstatus: {addresses: [{type: \
                 InternalIP, address: 10.0.0.13}]}\n---\n";
    let ours = "apiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {name: p}\nspec:\n  addresses:\n  - 10.0.2.0/24\n  - \
                10.0.0.0/24\n  - 10.0.1.11\n";
    let loaded = source::read(vec![text("a.yaml", &format!("{nodes}{ours}"))]);
    assert!(loaded.has_errors());
    insta::assert_snapshot!(source::render(&loaded.diagnostics));
    let theirs = CILIUM_POOL.replace("NAME", "p");
    let loaded = source::read(vec![text("a.yaml", &format!("{nodes}{theirs}"))]);
    assert!(!loaded.has_errors(), "Cilium's kinds are taken as they are");
    let warning = &loaded.diagnostics[0];
    assert_eq!(warning.message, "10.0.0.11 is the address of node1");
    assert_eq!(
        warning.hint.as_deref(),
        Some("no service gets it; so it is with 10.0.0.12 of node1, 10.0.0.13 of node3")
    );
}

#[test]
fn requests_that_cannot_be_understood_make_the_service_wait() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    \
                   metallb.universe.tf/loadBalancerIPs: 10.0.0.1,oops\n    lbipam.cilium.io/ip: 10.0.0.2\n\
                   spec: {type: LoadBalancer, ports: [{port: 80}], loadBalancerIP: here}\n";
    let loaded = source::read(vec![text("a.yaml", service)]);
    assert!(!loaded.has_errors());
    let requests = &loaded.wanted.services[&ServiceKey::new("default", "web")].requests;
    assert_eq!(requests.metallb, ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(requests.invalid.len(), 2);
    insta::assert_snapshot!(source::render(&loaded.diagnostics));
}

#[test]
fn what_is_missing_or_not_honoured_is_named() {
    let input = "apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: p}\nspec:\n  myASN: 1\n  peerASN: 2\n  \
                 peerAddress: 10.0.0.1\n  vrf: red\n  bfdProfile: gone\n  passwordSecret: {name: gone}\n  brandNew: 1\n---\n\
                 apiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\nmetadata: {name: a}\n\
                 spec: {ipAddressPools: [gone], peers: [gone], communities: [gone]}\n---\n\
                 apiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\nmetadata: {name: idle}\nspec: {}\n";
    let loaded = source::read(vec![text("a.yaml", input)]);
    assert!(!loaded.has_errors());
    insta::assert_snapshot!(source::render(&loaded.diagnostics));
}

#[test]
fn the_digest_is_of_the_meaning_not_of_the_bytes() {
    let one = "apiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {name: a}\nspec: {addresses: [10.0.0.0/24]}\n";
    let other = "# a comment\nkind: IPPool\napiVersion: quorumlb.io/v1alpha1\nspec:\n  addresses:\n  - \"10.0.0.0/24\"\n\
                 metadata:\n  name: a\n";
    let digest = |input: &str| source::read(vec![text("x", input)]).digest();
    assert_eq!(digest(one), digest(other));
    assert_ne!(digest(one), digest(&one.replace("/24", "/25")));
}

#[test]
fn json_is_read_too() {
    let json = "{\"apiVersion\": \"quorumlb.io/v1alpha1\",\n\t\"kind\": \"IPPool\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\
                \"spec\": {\"addresses\": [\"10.0.0.0/24\"], \"autoAssign\": false}}\n";
    let loaded = source::read(vec![text("a.json", json)]);
    assert!(loaded.diagnostics.is_empty(), "{}", source::render(&loaded.diagnostics));
    let pool = loaded.wanted.pools.values().next().unwrap();
    assert!(!pool.auto_assign && matches!(pool.blocks[..], [Block::Cidr(_)]));
}

#[test]
fn folders_are_read_in_order_and_a_mounted_config_map_once() {
    let dir = tempfile::tempdir().unwrap();
    let pool = |name: &str, net: u8| CILIUM_POOL.replace("NAME", name).replace("10.0.0", &format!("10.0.{net}"));
    let data = dir.path().join("..2026_01_31");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("pool.yaml"), pool("a", 1)).unwrap();
    std::os::unix::fs::symlink("..2026_01_31", dir.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/pool.yaml", dir.path().join("pool.yaml")).unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/more.yml"), pool("b", 2)).unwrap();
    fs::write(dir.path().join("readme.txt"), "not a manifest").unwrap();
    let loaded = source::load(&[dir.path().to_path_buf()]);
    assert!(loaded.diagnostics.is_empty(), "{}", source::render(&loaded.diagnostics));
    assert_eq!(loaded.wanted.pools.len(), 2);
    let missing = source::load(&[dir.path().join("nowhere")]);
    assert!(missing.has_errors());
}

#[test]
fn a_hundred_megabytes_of_junk_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("junk.yaml");
    let file = fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let loaded = source::load(std::slice::from_ref(&path));
    let [problem] = &loaded.diagnostics[..] else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((problem.severity, problem.line, problem.column), (Severity::Error, 1, 1));
    assert!(problem.message.contains("16 MiB"));
    // Just under the limit, and made of brackets: bounded too.
    for junk in ["[", "- ", "{a: ", "a\n", "- a\n", "\"", "&a *a ", "? ", "--- \n"] {
        let text = junk.repeat((1 << 18) / junk.len());
        source::read(vec![SourceFile { path: "junk".into(), text }]);
    }
}

#[test]
fn diagnostics_are_given_as_json() {
    let loaded = load(&folder("wrong/range-reversed.yaml"));
    insta::assert_json_snapshot!(loaded.diagnostics);
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/manifests.md");
    let page = fs::read_to_string(page).unwrap();
    let examples: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 5);
    let loaded = source::read(vec![text("manifests.md", &examples.join("---\n"))]);
    assert!(loaded.diagnostics.is_empty(), "{}", source::render(&loaded.diagnostics));
}

#[test]
fn interfaces_of_metallb_are_names() {
    let wanted = good("metallb.yaml").wanted;
    let policy = &wanted.l2_policies[&(Dialect::MetalLb, "some".into())];
    assert!(matches!(&policy.interfaces, InterfaceMatch::Names(names) if names.len() == 2));
}

fn corpus() -> Vec<Vec<u8>> {
    ["good", "article", "wrong"].iter().flat_map(|name| files(name)).map(|path| fs::read(path).unwrap()).collect()
}

fn read_bytes(bytes: Vec<u8>) {
    if let Ok(file) = SourceFile::from_bytes("x.yaml", bytes) {
        let loaded = source::read(vec![file]);
        source::render(&loaded.diagnostics);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_bytes(bytes);
    }

    #[test]
    fn random_yaml_like_text_never_panics(text in "([a-c:,\\[\\]{}&*!|>'\"%@#?\\-\n \t~0-9]|: |\n  |- |---\n|\\.\\.\\.\n){0,120}") {
        read_bytes(text.into_bytes());
    }

    #[test]
    fn mutated_manifests_never_panic(
        pick in any::<prop::sample::Index>(),
        edits in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0..5usize, "[ -~\n\t\u{e9}\u{2028}]{0,3}", 0..40usize), 1..8),
    ) {
        let corpus = corpus();
        let mut bytes = corpus[pick.index(corpus.len())].clone();
        for (at, what, new, length) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match what {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..end, new.bytes())),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let copy = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, copy));
                }
                _ => drop(bytes.splice(at..at, new.bytes())),
            }
        }
        read_bytes(bytes);
    }
}
