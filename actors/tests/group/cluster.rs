//! Nodes, stepped together: each has a paused runtime of its own, so that killing one is dropping it, and stopping one is
//! not stepping it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use quorumlb_actors::node::{Known, Node, NodeOptions};
use quorumlb_actors::ports::Files;
use quorumlb_actors::status::NodeStatus;
use quorumlb_raft_store::machine::Command;
use quorumlb_raft_store::model::NodeName;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, advance, sleep_until};

use super::fabric::{Arrival, Fabric, STEP_MS, Spoken, who_has};
use super::world::{SimDisk, SimWorld};

/// How often the client asks for every address.
const ASK_EVERY_MS: u64 = 2;

/// Whoever answers twice within this answered all the while: an address that goes to another node and comes back takes
/// several entries of the log.
const ALL_THE_WHILE_MS: u64 = 15;

pub const NODES: [&str; 3] = ["node1", "node2", "node3"];

/// The addresses that services get, in order.
pub fn addresses() -> Vec<Ipv4Addr> {
    (100..106).map(|last| Ipv4Addr::new(10, 0, 5, last)).collect()
}

pub fn manifests() -> String {
    let mut text = "
apiVersion: quorumlb.io/v1alpha1
kind: Cluster
metadata: {name: lab}
spec:
  nodes:
  - {name: node1, address: 10.0.5.11}
  - {name: node2, address: 10.0.5.12}
  - {name: node3, address: 10.0.5.13}
  rebalance: {after: 2s, pace: 10/s}
---
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {name: public}
spec: {addresses: [10.0.5.100-10.0.5.105]}
---
apiVersion: quorumlb.io/v1alpha1
kind: L2Policy
metadata: {name: all}
spec: {}
"
    .to_owned();
    for number in 0..6 {
        text += &format!(
            "---\napiVersion: quorumlb.io/v1alpha1\nkind: Service\nmetadata: {{name: s{number}}}\nspec:\n  ports: [{{port: 80, \
             protocol: TCP}}]\n  backends: [{{address: 10.0.5.31, port: 80}}]\n"
        );
    }
    text
}

/// A running node.
struct Machine {
    // Before the runtime, which ends what it began.
    node: Option<Node<SimWorld>>,
    world: SimWorld,
    runtime: Runtime,
    started: Instant,
    started_ms: u64,
    stopped: bool,
}

/// The nodes, and what lies between them.
pub struct Cluster {
    pub fabric: Fabric,
    machines: BTreeMap<&'static str, Machine>,
    disks: BTreeMap<&'static str, SimDisk>,
    runs: u64,
}

impl Cluster {
    /// Three nodes with empty disks.
    pub fn new() -> Self {
        quorumlb_raft_store::runtime::seed_randomness(7);
        let disks = NODES.map(|node| (node, SimDisk::default())).into();
        let mut cluster = Self { fabric: Fabric::default(), machines: BTreeMap::new(), disks, runs: 0 };
        NODES.iter().for_each(|node| cluster.start(node));
        cluster
    }

    pub fn start(&mut self, name: &'static str) {
        self.start_with(name, &manifests());
    }

    /// Starts a node with other files than usual.
    pub fn start_with(&mut self, name: &'static str, manifests: &str) {
        self.runs += 1;
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        self.fabric.plug(name);
        let (fabric, disk, seed) = (self.fabric.clone(), self.disks[name].clone(), self.runs);
        let (node, world, started) = runtime.block_on(async {
            // Boot times that have nothing to do with one another.
            let boot = Duration::from_secs(1000 * seed);
            let world = SimWorld::new(name, fabric, disk, manifests, boot, seed);
            let loaded = world.load();
            assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
            let known = Known { nodes: loaded.wanted.nodes, settings: loaded.wanted.settings, secrets: loaded.secrets };
            let options = NodeOptions { name: NodeName(name.to_owned()), cluster: "lab".to_owned(), known };
            (Node::start(options, world.clone()).await.unwrap(), world, Instant::now())
        });
        let (node, started_ms) = (Some(node), self.fabric.now_ms());
        self.machines.insert(name, Machine { node, world, runtime, started, started_ms, stopped: false });
    }

    /// Ends a node in the middle of whatever it does.
    pub fn kill(&mut self, name: &str) {
        self.fabric.unplug(name);
        if let Some(machine) = self.machines.remove(name) {
            machine.world.ears.lock().unwrap().take();
        }
    }

    /// Its process stands still, or goes on.
    pub fn stop(&mut self, name: &str, stopped: bool) {
        self.machines.get_mut(name).unwrap().stopped = stopped;
    }

    /// The node's disk is from now on a copy of another one's.
    pub fn give_disk_of(&mut self, from: &str, to: &'static str) {
        self.disks.insert(to, self.disks[from].copied());
    }

    pub fn write_file(&self, name: &str, text: &str) {
        self.machines[name].world.write_file(text);
    }

    /// A node is drained, or not any more.
    pub fn drain(&mut self, name: &str, on: bool) {
        use quorumlb_actors::admin::Desk;
        let machine = &self.machines[NODES[0]];
        let desk = machine.node.as_ref().expect("it runs").desk();
        let command = Command::Drain { node: NodeName(name.to_owned()), on };
        machine.runtime.spawn(async move { desk.propose(command, Duration::from_secs(5)).await });
    }

    /// What a node says of itself.
    pub fn status<R>(&self, name: &str, look: impl FnOnce(&NodeStatus) -> R) -> R {
        use quorumlb_actors::admin::Desk;
        self.machines[name].node.as_ref().expect("it runs").desk().status().look(look)
    }

    pub fn set_carrier(&self, name: &str, up: bool) {
        self.machines[name].world.set_carrier(up);
    }

    /// Begins to hand over; the node is to be killed later.
    pub fn retire(&mut self, name: &str) {
        let machine = self.machines.get_mut(name).unwrap();
        let node = machine.node.take().unwrap();
        machine.runtime.spawn(node.stop());
    }

    fn step(&mut self) {
        self.fabric.advance();
        let now = self.fabric.now_ms();
        if now.is_multiple_of(ASK_EVERY_MS) {
            addresses().iter().for_each(|address| self.fabric.broadcast("", &who_has(*address)));
        }
        for machine in self.machines.values().filter(|machine| !machine.stopped) {
            let until = machine.started + Duration::from_millis(now - machine.started_ms);
            machine.runtime.block_on(async {
                // After it stood still, all of its timers are late at once.
                let late = until.saturating_duration_since(Instant::now());
                if late > Duration::from_millis(10 * STEP_MS) {
                    advance(late - Duration::from_millis(STEP_MS)).await;
                }
                for arrival in self.fabric.take(&machine.world.me) {
                    deliver(&machine.world, arrival);
                }
                sleep_until(until).await;
            });
        }
    }

    pub fn run(&mut self, ms: u64) {
        (0..ms / STEP_MS).for_each(|_| self.step());
    }

    /// Runs until `condition`, at most `ms`; says how long it took.
    pub fn run_until(&mut self, what: &str, ms: u64, condition: impl Fn(&Self) -> bool) -> u64 {
        let start = self.fabric.now_ms();
        while !condition(self) {
            assert!(self.fabric.now_ms() < start + ms, "not within {ms} ms: {what}; owners are {:?}", self.owners());
            self.step();
        }
        self.fabric.now_ms() - start
    }

    /// Who answered last for each address within the last 20 ms.
    pub fn owners(&self) -> BTreeMap<Ipv4Addr, String> {
        self.fabric.claimed_since(self.fabric.now_ms().saturating_sub(20))
    }

    pub fn all_answered(&self) -> bool {
        self.owners().len() == addresses().len()
    }

    pub fn answered_by_others_than(&self, node: &str) -> bool {
        self.all_answered() && self.owners().values().all(|owner| owner != node)
    }

    /// How many addresses each node answers for, from few to many.
    pub fn spread(&self) -> Vec<usize> {
        let owners = self.owners();
        let mut spread: Vec<usize> =
            self.machines.keys().map(|node| owners.values().filter(|owner| owner == node).count()).collect();
        spread.sort_unstable();
        spread
    }

    pub fn formed() -> Self {
        let mut cluster = Self::new();
        cluster.run_until("a group with evenly spread addresses", 30_000, |cluster| cluster.spread() == [2, 2, 2]);
        cluster.run(1000);
        cluster
    }

    /// The node that leads, as the others' silence would show; from the status of whoever runs.
    pub fn leader(&self) -> &'static str {
        use quorumlb_actors::admin::Desk;
        let led = self.machines.values().find_map(|machine| {
            let desk = machine.node.as_ref()?.desk();
            desk.status().look(|status| status.raft.as_ref()?.leader.as_ref().map(|(_, member)| member.name.0.clone()))
        });
        let led = led.expect("somebody leads");
        NODES.into_iter().find(|node| *node == led).expect("one of ours")
    }

    pub fn follower(&self) -> &'static str {
        let leader = self.leader();
        NODES.into_iter().find(|node| *node != leader).expect("three nodes")
    }

    /// P3: whoever begins to answer for an address does so after everyone else has stopped.
    pub fn check_one_answer(&self) {
        let mut stints: BTreeMap<Ipv4Addr, Vec<(String, u64, u64)>> = BTreeMap::new();
        for Spoken { ms, node, address } in self.fabric.spoken() {
            let stints = stints.entry(address).or_default();
            match stints
                .iter_mut()
                .rev()
                .take(3)
                .find(|(owner, _, last)| *owner == node && ms - *last <= ALL_THE_WHILE_MS)
            {
                Some((_, _, last)) => *last = ms,
                None => stints.push((node, ms, ms)),
            }
        }
        for (address, stints) in stints {
            for (number, (one, from, to)) in stints.iter().enumerate() {
                for (other, begins, _) in stints.iter().skip(number + 1).filter(|(other, ..)| other != one) {
                    assert!(begins > to, "{address}: {other} begins at {begins}, but {one} answers {from} to {to}");
                }
            }
        }
    }

    /// The longest time that any address was unanswered for since `from`.
    pub fn longest_gap(&self, from: u64) -> u64 {
        let spoken = self.fabric.spoken();
        let gap_of = |address: &Ipv4Addr| {
            let times: BTreeSet<u64> = spoken
                .iter()
                .filter(|spoken| spoken.address == *address && spoken.ms >= from)
                .map(|spoken| spoken.ms)
                .chain([from, self.fabric.now_ms()])
                .collect();
            times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one).max().unwrap_or(0)
        };
        addresses().iter().map(gap_of).max().unwrap_or(0)
    }
}

fn deliver(world: &SimWorld, arrival: Arrival) {
    let Some(ears) = world.ears.lock().unwrap().clone() else { return };
    match arrival {
        Arrival::Request { from, bytes, id } => {
            let (fabric, me) = (world.fabric.clone(), world.me.clone());
            tokio::spawn(async move {
                let answer = (ears.call)(NodeName(from.clone()), bytes).await;
                fabric.reply(&me, &from, id, answer);
            });
        }
        Arrival::Reply { id, bytes } => world.fabric.replied(id, bytes),
        Arrival::Notice { from, bytes } => (ears.notify)(NodeName(from), bytes),
        Arrival::Frame(frame) => world.frame(frame),
    }
}
