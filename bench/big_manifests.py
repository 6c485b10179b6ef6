#!/usr/bin/env python3
"""Writes a large input for `quorumlb plan`, the same bytes for the same arguments.

    bench/big_manifests.py [--kinds native|cilium] [--bgp] [--services 100000] [--nodes 1000] [--per-file 10000] FOLDER

`native` writes our own kinds (a Cluster, an IPPool, an L2Policy, Services with inline backends). `cilium` writes what a
Kubernetes cluster with Cilium holds: core Nodes and Services, a pool and an announcement policy. With `--bgp` every node
also tells every address, and its pod network, to the two routers of its rack.
"""

import argparse
import ipaddress
import pathlib

POOL = ipaddress.ip_network("10.128.0.0/14")


def native_cluster(nodes):
    yield "apiVersion: quorumlb.io/v1alpha1\nkind: Cluster\nmetadata: {name: big}\nspec:\n  nodes:\n"
    for n in range(nodes):
        address = ipaddress.ip_address("10.0.0.10") + n
        yield (
            f"  - name: node{n:04}\n    address: {address}\n    labels: {{rack: rack{n % 20}}}\n"
            f"    interfaces:\n    - {{name: net0, addresses: [{address}/8]}}\n"
        )
    yield (
        "---\napiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {name: pool}\n"
        f"spec:\n  addresses:\n  - {POOL}\n"
        "---\napiVersion: quorumlb.io/v1alpha1\nkind: L2Policy\nmetadata: {name: policy}\nspec: {}\n"
    )


def native_service(n):
    backend = ipaddress.ip_address("10.0.0.10") + n % 1000
    return (
        "---\napiVersion: quorumlb.io/v1alpha1\nkind: Service\nmetadata:\n"
        f"  name: service-{n:06}\n  namespace: team-{n % 50:02}\n  labels:\n    app: app-{n % 997}\n    tier: front\n"
        "spec:\n  ports:\n  - name: http\n    protocol: TCP\n    port: 80\n"
        f"  backends:\n  - {{address: {backend}, port: 8080}}\n"
    )


def native_bgp():
    for rack in range(20):
        yield (
            f"---\napiVersion: quorumlb.io/v1alpha1\nkind: BGPPolicy\nmetadata: {{name: rack{rack}}}\nspec:\n"
            f"  nodeSelectors:\n  - matchLabels: {{rack: rack{rack}}}\n  localASN: {65000 + rack}\n  peers:\n"
            f"  - {{name: one, address: 10.254.{rack}.1, asn: {65000 + rack}}}\n"
            f"  - {{name: other, address: 10.254.{rack}.2, asn: {65000 + rack}}}\n"
            "  advertise:\n  - services: {}\n    communities: [\"65000:100\"]\n  - podCIDRs: true\n"
        )


def cilium_bgp():
    for zone in range(3):
        neighbors = "".join(
            f"    - peerAddress: 10.254.{zone}.{router}/32\n      peerASN: {65000 + zone}\n" for router in (1, 2)
        )
        yield (
            f"---\napiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata:\n  name: zone-{zone}\nspec:\n"
            f"  nodeSelector:\n    matchLabels:\n      topology.kubernetes.io/zone: zone-{zone}\n  virtualRouters:\n"
            f"  - localASN: {65000 + zone}\n    exportPodCIDR: true\n    serviceSelector: {{}}\n    neighbors:\n{neighbors}"
        )


def core_cluster(nodes):
    for n in range(nodes):
        address = ipaddress.ip_address("10.0.0.10") + n
        yield (
            f"---\napiVersion: v1\nkind: Node\nmetadata:\n  name: node{n:04}\n  labels:\n"
            f"    kubernetes.io/hostname: node{n:04}\n    topology.kubernetes.io/zone: zone-{n % 3}\n"
            f"spec:\n  podCIDRs:\n  - {ipaddress.ip_address('172.16.0.0') + 256 * n}/24\n"
            f"status:\n  addresses:\n  - type: InternalIP\n    address: {address}\n"
        )
    yield (
        "---\napiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata:\n  name: pool\n"
        f"spec:\n  blocks:\n  - cidr: {POOL}\n"
        "---\napiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\nmetadata:\n  name: policy\n"
        "spec:\n  loadBalancerIPs: true\n"
    )


def core_service(n):
    cluster_ip = ipaddress.ip_address("10.200.0.1") + n
    return (
        "---\napiVersion: v1\nkind: Service\nmetadata:\n"
        f"  name: service-{n:06}\n  namespace: team-{n % 50:02}\n"
        f"  labels:\n    app: app-{n % 997}\n    tier: front\n"
        "spec:\n  type: LoadBalancer\n"
        f"  clusterIP: {cluster_ip}\n  clusterIPs:\n  - {cluster_ip}\n  ipFamilies:\n  - IPv4\n"
        "  ipFamilyPolicy: SingleStack\n  externalTrafficPolicy: Cluster\n"
        f"  selector:\n    app: app-{n % 997}\n"
        "  ports:\n  - name: http\n    protocol: TCP\n    port: 80\n    targetPort: 8080\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", choices=["native", "cilium"], default="native")
    parser.add_argument("--bgp", action="store_true")
    parser.add_argument("--services", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--per-file", type=int, default=10_000)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    cluster, bgp, service = {
        "native": (native_cluster, native_bgp, native_service),
        "cilium": (core_cluster, cilium_bgp, core_service),
    }[args.kinds]
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "cluster.yaml").write_text("".join(cluster(args.nodes)))
    if args.bgp:
        (args.folder / "bgp.yaml").write_text("".join(bgp()))
    for first in range(0, args.services, args.per_file):
        numbers = range(first, min(first + args.per_file, args.services))
        path = args.folder / f"services-{first // args.per_file:03}.yaml"
        path.write_text("".join(map(service, numbers)))


if __name__ == "__main__":
    main()
