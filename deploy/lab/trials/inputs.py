"""Each kind of input brings up external and internal sessions, with MD5, and tells routes with their attributes.

node1 has an external session with leaf01, node3 an internal one with leaf02.
"""

import contextlib

from qlab import routers, stage

ROUNDS = 1
ROUTE = "20.0.10.0/32"
ASN, EXTERNAL = 65005, 64512
INTERNAL = 65010
PASSWORD = "s3cret"
LEAVES = {"leaf01": ("node1", "10.0.5.11"), "leaf02": ("node3", "10.0.10.11")}

SECRET = """---
apiVersion: v1
kind: Secret
metadata: {{name: leaf, namespace: {namespace}}}
type: kubernetes.io/basic-auth
stringData: {{password: {password}}}
"""

NATIVE_PEER = """---
apiVersion: quorumlb.io/v1alpha1
kind: BGPPolicy
metadata: {{name: {rack}}}
spec:
  nodeSelectors: [{{matchLabels: {{rack: {rack}}}}}]
  localASN: {local}
  peers:
  - name: leaf
    address: {leaf}
    asn: {asn}
    passwordSecret: {{namespace: routers, name: leaf}}
    bfd: {{transmit: 50ms, receive: 50ms, multiplier: 3}}
  advertise: [{{services: {{}}, communities: ["65000:1", "large:65000:1:2"], localPref: 200}}]
"""
NATIVE_POOL = """apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {name: bgp}
spec: {addresses: [20.0.10.0/24]}
"""

METALLB_PEER = """---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: {rack}, namespace: metallb-system}}
spec:
  myASN: {local}
  peerASN: {asn}
  peerAddress: {leaf}
  passwordSecret: {{name: leaf, namespace: metallb-system}}
  bfdProfile: quick
  nodeSelectors: [{{matchLabels: {{rack: {rack}}}}}]
"""
METALLB = """apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bgp, namespace: metallb-system}
spec: {addresses: [20.0.10.0/24]}
---
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: quick, namespace: metallb-system}
spec: {receiveInterval: 50, transmitInterval: 50, detectMultiplier: 3}
---
apiVersion: metallb.io/v1beta1
kind: Community
metadata: {name: names, namespace: metallb-system}
spec: {communities: [{name: ours, value: "65000:2"}]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: everything, namespace: metallb-system}
spec: {localPref: 200, communities: [ours, "large:65000:1:2"]}
"""

CILIUM_POOL = """apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: bgp, labels: {told: "yes"}}
spec: {blocks: [{cidr: 20.0.10.0/24}]}
"""
CILIUM_PEER = """---
apiVersion: cilium.io/v2
kind: CiliumBGPClusterConfig
metadata: {{name: {rack}}}
spec:
  nodeSelector: {{matchLabels: {{rack: {rack}}}}}
  bgpInstances:
  - name: main
    localASN: {local}
    peers: [{{name: leaf, peerAddress: {leaf}, peerASN: {asn}, peerConfigRef: {{name: leaf}}}}]
"""
CILIUM = CILIUM_POOL + """---
apiVersion: cilium.io/v2
kind: CiliumBGPPeerConfig
metadata: {name: leaf}
spec:
  authSecretRef: leaf
  families: [{afi: ipv4, safi: unicast, advertisements: {matchLabels: {told: "yes"}}}]
---
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata: {name: services, labels: {told: "yes"}}
spec:
  advertisements:
  - advertisementType: Service
    service: {addresses: [LoadBalancerIP]}
    selector: {}
    attributes: {localPreference: 200, communities: {standard: ["65000:3"], large: ["65000:1:2"]}}
"""
CILIUM_V1_PEER = """---
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {{name: {rack}}}
spec:
  nodeSelector: {{matchLabels: {{rack: {rack}}}}}
  virtualRouters:
  - localASN: {local}
    serviceSelector: {{matchExpressions: [{{key: never, operator: DoesNotExist}}]}}
    neighbors:
    - peerAddress: {leaf}/32
      peerASN: {asn}
      authSecretRef: leaf
      advertisedPathAttributes:
      - selectorType: CiliumLoadBalancerIPPool
        selector: {{matchLabels: {{told: "yes"}}}}
        localPreference: 200
        communities: {{standard: ["65000:4"], large: ["65000:1:2"]}}
"""
# Name: what stands once, what stands for each session, the namespace of the Secret, the community, whether BFD is wanted.
KINDS = {
    "native": (NATIVE_POOL, NATIVE_PEER, "routers", "65000:1", True),
    "MetalLB": (METALLB, METALLB_PEER, "metallb-system", "65000:2", True),
    "Cilium v2": (CILIUM, CILIUM_PEER, "kube-system", "65000:3", False),
    "Cilium v1": (CILIUM_POOL, CILIUM_V1_PEER, "kube-system", "65000:4", False),
}


def manifest(kind, password=PASSWORD):
    """All documents of a kind."""
    once, peer, namespace, *_ = KINDS[kind]
    sessions = (peer.format(rack="rack0", local=EXTERNAL, leaf="10.0.5.1", asn=ASN)
                + peer.format(rack="rack1", local=INTERNAL, leaf="10.0.10.1", asn=INTERNAL))
    return once + sessions + SECRET.format(namespace=namespace, password=password) + stage.services(1)


def run(tale):
    """The trial."""
    with stage.fabric_group({"bgp.yaml": manifest("native")}, ["node1", "node2", "node3"], expecting) as (lab, members):
        for _ in tale.each():
            for kind in KINDS:
                with told_wrong(tale, kind):
                    one(tale, lab, members, kind)


@contextlib.contextmanager
def told_wrong(tale, kind):
    """What never came is said, and the other kinds go on."""
    try:
        yield
    except RuntimeError as error:
        tale.check(False, f"{kind}: {error}")


def expecting(lab):
    """The leaves know one node each, by password; leaf01 as one of another AS."""
    (_, outside), (_, inside) = LEAVES.values()
    lab.router("leaf01").configure(
        f"router bgp {ASN}", f"neighbor {outside} remote-as {EXTERNAL}", f"neighbor {outside} passive",
        f"neighbor {outside} password {PASSWORD}", f"neighbor {outside} bfd profile lab", "address-family ipv4 unicast",
        f"neighbor {outside} activate")
    leaf02 = lab.router("leaf02")
    leaf02.name_neighbours(INTERNAL, inside)
    leaf02.configure(f"router bgp {INTERNAL}", f"neighbor {inside} password {PASSWORD}")


def one(tale, lab, members, kind):
    """One kind of input."""
    *_, community, detected = KINDS[kind]
    members.add_manifest("bgp.yaml", manifest(kind))
    for leaf, (name, address) in LEAVES.items():
        router = lab.router(leaf)
        wanted = sorted([community, "65000:1:2"])
        path = members.wait(f"{name}'s route with {wanted}", lambda: carries(router, address, wanted), 20)
        row = members.wait(f"{name} to say so", lambda: told(members, name))
        external = leaf == "leaf01"
        good = (path["aspath"]["string"] == (str(EXTERNAL) if external else "Local")
                and path.get("locPrf") == (None if external else 200) and path["origin"] == "IGP"
                and row["remote_asn"] == (ASN if external else INTERNAL))
        tale.check(good, f"{kind}: {name}, {'external' if external else 'internal'}, with MD5: AS path "
                   f"{path['aspath']['string']}, local preference {path.get('locPrf')}, {', '.join(wanted)}")
        if detected:
            members.wait(f"BFD with {name}", lambda: router.detection(address).get("status") == "up", 10)
            tale.check(True, f"{kind}: {name}: BFD is up")
    another_password(tale, lab, members, kind)


def carries(router, address, wanted):
    """The path to the service from a node, if it has these communities."""
    path = router.heard(address).get(ROUTE)
    return path if path and routers.communities(path) == wanted else None


def told(members, name):
    """A node's only session, if it is up and all was told."""
    rows = [row for row in members.ask("/v1/bgp", name) or [] if row["node"] == name]
    return rows[0] if len(rows) == 1 and rows[0]["state"] == "Established" and rows[0]["told"] else None


def another_password(tale, lab, members, kind):
    """A Secret that is not the router's: no session, and the node says so. The right one again brings it back."""
    router, (name, address) = lab.router("leaf01"), LEAVES["leaf01"]
    members.add_manifest("bgp.yaml", manifest(kind, "another"))
    members.wait("the session to end", lambda: not router.is_established(address) and not told(members, name), 15)
    row = members.wait("a reason", lambda: next(iter(
        row for row in members.ask("/v1/bgp", name) or [] if row["last_error"] and row["state"] != "Established"), None), 20)
    tale.check(not router.is_established(address), f"{kind}: another password: {row['state']}: {row['last_error']}")
    members.add_manifest("bgp.yaml", manifest(kind))
    members.wait("the session again", lambda: router.is_established(address) and told(members, name), 30)
    tale.check(True, f"{kind}: the right password again: the session is up")
