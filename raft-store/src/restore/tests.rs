//! A restored directory is opened as a node opens it: log, replica and openraft on top.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, Raft};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::machine::{Command, Incarnation, Outcome, Proposal, SessionId};
use crate::model::{Delta, NodeName, Object, Service, ServiceKey};
use crate::net::quic::QuicWire;
use crate::net::testing::{Lab, NoHooks};
use crate::net::{Dispatcher, Lane, RaftNetworks, Wire, WireError, WireVersion};
use crate::replica::{Replica, export, import};

/// Nobody else is there.
#[derive(Clone)]
struct Silence;

impl Wire for Silence {
    async fn version(&self, to: &Member, _: Lane, _: Duration) -> Result<WireVersion, WireError> {
        Err(WireError::Unreachable { to: to.clone(), reason: "nobody is there".into() })
    }

    async fn call(&self, to: &Member, _: Lane, _: Vec<u8>, _: Duration) -> Result<Vec<u8>, WireError> {
        Err(WireError::Unreachable { to: to.clone(), reason: "nobody is there".into() })
    }

    fn version_now(&self, _: &Member) -> Option<WireVersion> {
        None
    }

    fn notify(&self, to: &Member, _: Vec<u8>) -> Result<(), WireError> {
        Err(WireError::Unreachable { to: to.clone(), reason: "nobody is there".into() })
    }
}

fn member() -> Member {
    Member { name: "node1".into(), address: ([10, 0, 5, 11], 7473).into() }
}

fn proposal(command: Command) -> Proposal {
    Proposal { at_ms: 1, by: "node1".into(), command }
}

fn open_session(node: &str, run: u64) -> Proposal {
    proposal(Command::OpenSession { node: node.into(), incarnation: Incarnation(run) })
}

/// A state with a service and two sessions, as it was saved.
fn saved() -> State {
    let mut state = State::default();
    let service = Object::Service(Box::new(Service::bare(ServiceKey::new("default", "web"))));
    state.apply(3, &proposal(Command::Configure(Delta { put: vec![service], ..Delta::default() })));
    state.apply(70, &open_session("node1", 1));
    state.apply(81, &open_session("node2", 2));
    import(&export(&state).unwrap()).unwrap()
}

async fn make(state: &State, directory: &Path, force: bool) -> Result<Restored, RestoreError> {
    restore(state, "lab", &member(), directory, force, &mut SmallRng::seed_from_u64(7)).await
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

async fn start(directory: &Path) -> (Raft<TypeConfig, Replica>, Replica) {
    let store = LogStore::open(directory).unwrap();
    let local = store.local().node().unwrap();
    assert_eq!((local.cluster.as_str(), local.bootstrapped), ("lab", true));
    run(store, local.identity.unwrap(), Silence).await
}

async fn run(store: LogStore, id: RaftId, wire: impl Wire) -> (Raft<TypeConfig, Replica>, Replica) {
    let replica = Replica::new(&store);
    let config = Config { enable_pre_vote: Some(true), ..Config::default() }.validate().unwrap();
    let networks = RaftNetworks::new(wire, id);
    let raft = Raft::new(id, Arc::new(config), networks, store, replica.clone()).await.unwrap();
    (raft, replica)
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_nodes_join_the_restored_one_and_vote() {
    let (lab, state) = (Lab::new(), saved());
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let dispatchers = [(); 2].map(|()| Dispatcher::new("lab", BTreeSet::new(), NoHooks));
    let bind = |name: &str, at: usize| QuicWire::bind(lab.config(name), dispatchers[at].clone()).unwrap();
    let (one, two) = (bind("node1", 0), bind("node2", 1));
    let member = |name: &str, wire: &QuicWire| Member { name: name.into(), address: wire.local_addr().unwrap() };
    let mut random = SmallRng::seed_from_u64(7);
    let me = member("node1", &one);
    let restored = restore(&state, "lab", &me, first.path(), false, &mut random).await.unwrap();
    let (leader, _) = run(LogStore::open(first.path()).unwrap(), restored.identity, one.clone()).await;
    dispatchers[0].serve(Some(leader.clone()));
    let id = joining_id("lab", &"node2".into(), &mut random);
    let (follower, replica) = run(LogStore::open(second.path()).unwrap(), id, two.clone()).await;
    dispatchers[1].serve(Some(follower.clone()));

    leader.wait(Some(Duration::from_secs(10))).current_leader(restored.identity, "it leads").await.unwrap();
    leader.add_learner(id, member("node2", &two), true).await.unwrap();
    leader.change_membership([restored.identity, id], false).await.unwrap();
    leader.client_write(open_session("node2", 9)).await.unwrap();
    let session = || replica.view().read(|state| state.members[&NodeName::from("node2")].session);
    until("the new session", || session().filter(|session| session.id.0 > restored.index)).await;
    assert_eq!(replica.view().read(|state| state.wanted.clone()), state.wanted);
}

#[tokio::test]
async fn a_restored_node_leads_alone_with_the_saved_state() {
    let (directory, state) = (tempfile::tempdir().unwrap(), saved());
    let restored = make(&state, directory.path(), false).await.unwrap();
    assert_eq!(restored.set_aside, None);
    for run in 1..3 {
        let (raft, replica) = start(directory.path()).await;
        let leader =
            raft.wait(Some(Duration::from_secs(10))).current_leader(restored.identity, "it leads").await.unwrap();
        assert!(leader.current_term > TERM_GAP);
        assert_eq!(leader.membership_config.voter_ids().collect::<Vec<_>>(), [restored.identity]);
        if run == 1 {
            assert_eq!(replica.view().read(State::clone), state);
        }
        // What the second run reads was written by the first, above the snapshot.
        let written = raft.client_write(open_session("node2", 10 + run)).await.unwrap();
        let Outcome::Session(SessionId(id)) = written.data else { panic!("{:?}", written.data) };
        assert!(id > restored.index && restored.index >= 81 + INDEX_GAP);
        raft.shutdown().await.unwrap();
        drop((raft, replica));
        until("the file is closed", || LogStore::open(directory.path()).ok()).await;
    }
}

#[tokio::test]
async fn a_directory_that_holds_an_identity_is_left_alone_unless_forced() {
    let (directory, state) = (tempfile::tempdir().unwrap(), saved());
    let first = make(&state, directory.path(), false).await.unwrap();
    let error = make(&state, directory.path(), false).await.unwrap_err();
    assert!(matches!(&error, RestoreError::Holds { identity, .. } if *identity == first.identity), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");

    let again = make(&state, directory.path(), true).await.unwrap();
    assert!(again.index >= first.index + INDEX_GAP, "the old file tells how far its log went");
    let aside = again.set_aside.expect("the old file is kept");
    let folder = tempfile::tempdir().unwrap();
    fs::rename(&aside, folder.path().join(FILE_NAME)).unwrap();
    let old = LogStore::open(folder.path()).unwrap().local().node().unwrap();
    assert_eq!(old.identity, Some(first.identity));
    assert!(!directory.path().join(SCRATCH).exists());
}

#[tokio::test]
async fn a_directory_in_use_is_left_alone_even_when_forced() {
    let directory = tempfile::tempdir().unwrap();
    let running = LogStore::open(directory.path()).unwrap();
    let error = make(&saved(), directory.path(), true).await.unwrap_err();
    assert!(matches!(error, RestoreError::Open(OpenError::Locked { .. })), "{error}");
    drop(running);
}

#[tokio::test]
async fn what_a_restore_that_was_cut_off_left_does_not_matter() {
    let (directory, state) = (tempfile::tempdir().unwrap(), saved());
    // An empty directory of a node that waited for its group, and a file that was never finished.
    drop(LogStore::open(directory.path()).unwrap());
    fs::create_dir(directory.path().join(SCRATCH)).unwrap();
    fs::write(directory.path().join(SCRATCH).join(FILE_NAME), "half a file").unwrap();
    let restored = make(&state, directory.path(), false).await.unwrap();
    assert!(restored.set_aside.is_some());
    let local = LogStore::open(directory.path()).unwrap().local().node().unwrap();
    assert_eq!(local.identity, Some(restored.identity));
    assert!(crate::bootstrap::belongs("lab", &NodeName::from("node1"), restored.identity));
}
