//! openraft's network, over the wire.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::alias::{EntryOf, SnapshotOf, VoteOf};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, entry::RaftEntry};

use super::snapshot::PART;
use super::{CallError, Lane, RaftAnswer, RaftCall, Request, Response, SnapshotPart, Wire, WireError, call};
use crate::codec::{CodecError, Kind, claimed_version};
use crate::replica::translate;
use crate::types::{Member, RaftId, TypeConfig};

/// Makes openraft's clients, one for each peer and purpose. Clones share what they know of the members.
#[derive(Clone, Debug)]
pub struct RaftNetworks<W> {
    wire: W,
    me: RaftId,
    known: Arc<Known>,
}

/// Who the members are, as far as clients were made for them, or as the membership said last.
#[derive(Debug, Default)]
struct Known(Mutex<BTreeMap<RaftId, Member>>);

impl Known {
    fn set(&self, id: RaftId, member: &Member) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, member.clone());
    }

    fn get(&self, id: RaftId) -> Option<Member> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

impl<W: Wire> RaftNetworks<W> {
    /// Clients that speak for the identity `me`.
    pub fn new(wire: W, me: RaftId) -> Self {
        Self { wire, me, known: Arc::default() }
    }

    /// Clients reach the members where this membership says, from their next call on. openraft keeps its clients when
    /// only a member's address changes, so whoever runs the group tells each new membership here.
    pub fn follow<'m>(&self, members: impl IntoIterator<Item = (&'m RaftId, &'m Member)>) {
        members.into_iter().for_each(|(id, member)| self.known.set(*id, member));
    }

    fn client(&self, lane: Lane, target: RaftId, member: &Member) -> RaftNetwork<W> {
        self.known.set(target, member);
        let (wire, known) = (self.wire.clone(), Arc::clone(&self.known));
        RaftNetwork { wire, me: self.me, target, made_for: member.clone(), known, lane }
    }
}

impl<W: Wire> RaftNetworkFactory<TypeConfig> for RaftNetworks<W> {
    type Network = RaftNetwork<W>;

    async fn new_client(&mut self, target: RaftId, member: &Member) -> RaftNetwork<W> {
        self.client(Lane::Log, target, member)
    }

    async fn new_heartbeat_client(&mut self, target: RaftId, member: &Member) -> RaftNetwork<W> {
        self.client(Lane::Heartbeat, target, member)
    }

    async fn new_snapshot_client(&mut self, target: RaftId, member: &Member) -> RaftNetwork<W> {
        self.client(Lane::Snapshot, target, member)
    }
}

/// openraft's client for one peer.
#[derive(Clone, Debug)]
pub struct RaftNetwork<W> {
    wire: W,
    me: RaftId,
    target: RaftId,
    made_for: Member,
    known: Arc<Known>,
    lane: Lane,
}

type Failure = RPCError<TypeConfig>;

impl<W: Wire> RaftNetwork<W> {
    /// Who the peer is, and where just now.
    fn member(&self) -> Member {
        self.known.get(self.target).unwrap_or_else(|| self.made_for.clone())
    }

    async fn ask(&self, lane: Lane, asked: RaftCall, ttl: Duration) -> Result<RaftAnswer, CallFailure> {
        self.send(lane, &self.request(asked), ttl).await
    }

    fn request(&self, asked: RaftCall) -> Request {
        Request::Raft { from: self.me, to: self.target, call: asked }
    }

    async fn send(&self, lane: Lane, request: &Request, ttl: Duration) -> Result<RaftAnswer, CallFailure> {
        let member = self.member();
        match call(&self.wire, &member, lane, request, ttl).await? {
            Response::Raft { from, answer } if from == self.target => Ok(answer),
            Response::Raft { from, .. } => {
                Err(CallFailure::Refused(format!("{member} answers as {from:x}, not as {:x}", self.target)))
            }
            Response::Refused(refusal) => Err(CallFailure::Refused(format!("{member}: {refusal}"))),
            _ => Err(self.senseless()),
        }
    }

    fn senseless(&self) -> CallFailure {
        CallError::Senseless { to: self.member() }.into()
    }

    /// What openraft makes of a failure: whether it may try again at once, or should wait first.
    fn failure(&self, action: RPCTypes, failure: CallFailure) -> Failure {
        match failure {
            CallFailure::Call(CallError::Wire(WireError::Timeout { ttl: timeout, .. })) => {
                Timeout { action, id: self.me, target: self.target, timeout }.into()
            }
            CallFailure::Call(CallError::Wire(error @ (WireError::Lost { .. } | WireError::Version { .. }))) => {
                NetworkError::new(&error).into()
            }
            CallFailure::Call(error) => Unreachable::new(&error).into(),
            CallFailure::Refused(reason) => Unreachable::from_string(reason).into(),
        }
    }

    async fn ask_for_vote(&self, asked: RaftCall, ttl: Duration) -> Result<VoteResponse<TypeConfig>, Failure> {
        let answer = self.ask(Lane::Heartbeat, asked, ttl).await;
        match answer.map_err(|failure| self.failure(RPCTypes::Vote, failure))? {
            RaftAnswer::Vote(response) => Ok(response),
            _ => Err(self.failure(RPCTypes::Vote, self.senseless())),
        }
    }

    /// A snapshot as the peer can read it, which may be of an older release.
    async fn readable(&self, snapshot: Vec<u8>, ttl: Duration) -> Result<Vec<u8>, CallFailure> {
        let member = self.member();
        let version = self.wire.version(&member, Lane::Snapshot, ttl).await.map_err(CallError::from)?;
        if claimed_version(Kind::State, &snapshot).is_none_or(|claimed| claimed <= version) {
            return Ok(snapshot);
        }
        translate(snapshot, version).map_err(|error| CallError::Codec { to: member, error }.into())
    }

    async fn send_parts(
        &self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, Vec<u8>>,
        ttl: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, CallFailure> {
        let meta = snapshot.meta;
        let bytes = self.readable(snapshot.snapshot, ttl).await?;
        let mut offset = 0;
        loop {
            let end = bytes.len().min(offset + PART);
            let data = bytes[offset..end].to_vec();
            let part =
                SnapshotPart { vote, meta: meta.clone(), offset: offset as u64, total: bytes.len() as u64, data };
            match self.ask(Lane::Snapshot, RaftCall::Snapshot(part), ttl).await? {
                RaftAnswer::Snapshot(response) => return Ok(response),
                RaftAnswer::SnapshotPart { next } if next == end as u64 && end < bytes.len() => offset = end,
                _ => return Err(self.senseless()),
            }
        }
    }
}

/// The entries that a request brings.
fn entries(request: &mut Request) -> Option<&mut Vec<EntryOf<TypeConfig>>> {
    match request {
        Request::Raft { call: RaftCall::Append(append), .. } => Some(&mut append.entries),
        _ => None,
    }
}

/// Why an answer is missing.
enum CallFailure {
    /// It did not come.
    Call(CallError),
    /// The peer did not do it.
    Refused(String),
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl<W: Wire> RaftNetworkV2<TypeConfig> for RaftNetwork<W> {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failure> {
        let all = request.entries.len();
        // Entries may be large and many: they are not copied to be sent.
        let mut request = self.request(RaftCall::Append(request));
        let answer = loop {
            match (self.send(self.lane, &request, option.soft_ttl()).await, entries(&mut request)) {
                // Too much for one message: the first half goes now, openraft sends the rest next.
                (
                    Err(CallFailure::Call(CallError::Codec { error: CodecError::TooLarge { .. }, .. })),
                    Some(entries),
                ) if entries.len() > 1 => {
                    entries.truncate(entries.len() / 2);
                }
                (other, _) => break other,
            }
        };
        let sent = entries(&mut request).map(|entries| &**entries).unwrap_or_default();
        match answer.map_err(|failure| self.failure(RPCTypes::AppendEntries, failure))? {
            RaftAnswer::Append(AppendEntriesResponse::Success) if sent.len() < all => {
                Ok(AppendEntriesResponse::PartialSuccess(sent.last().map(|entry| entry.log_id())))
            }
            RaftAnswer::Append(response) => Ok(response),
            _ => Err(self.failure(RPCTypes::AppendEntries, self.senseless())),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ask_for_vote(RaftCall::Vote(request), option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ask_for_vote(RaftCall::PreVote(request), option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, Vec<u8>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sent = tokio::select! {
            biased;
            closed = cancel => return Err(StreamingError::Closed(closed)),
            sent = self.send_parts(vote, snapshot, option.soft_ttl()) => sent,
        };
        sent.map_err(|failure| self.failure(RPCTypes::InstallSnapshot, failure).into())
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        let answer = self.ask(Lane::Heartbeat, RaftCall::TransferLeader(request), option.soft_ttl()).await;
        match answer.map_err(|failure| self.failure(RPCTypes::TransferLeader, failure))? {
            RaftAnswer::TransferLeader(response) => Ok(response),
            _ => Err(self.failure(RPCTypes::TransferLeader, self.senseless())),
        }
    }
}

#[cfg(test)]
mod tests {
    use openraft::alias::SnapshotMetaOf;

    use super::*;
    use crate::codec::{OLDEST_WIRE_VERSION, WIRE_VERSION, decode, encode, version_of};
    use crate::machine::State;
    use crate::net::WireVersion;

    /// A peer of the oldest release that this one works with; keeps the snapshot that it is sent.
    #[derive(Clone, Debug, Default)]
    struct Older(Arc<Mutex<Vec<u8>>>);

    impl Wire for Older {
        async fn version(&self, _: &Member, _: Lane, _: Duration) -> Result<WireVersion, WireError> {
            Ok(OLDEST_WIRE_VERSION)
        }

        async fn call(&self, _: &Member, _: Lane, request: Vec<u8>, _: Duration) -> Result<Vec<u8>, WireError> {
            let Ok(Request::Raft { call: RaftCall::Snapshot(part), .. }) = decode(&request) else { panic!("a part") };
            *self.0.lock().unwrap() = part.data;
            let answer = RaftAnswer::Snapshot(SnapshotResponse::new(part.vote));
            Ok(encode(OLDEST_WIRE_VERSION, &Response::Raft { from: 2, answer }).unwrap())
        }

        fn version_now(&self, _: &Member) -> Option<WireVersion> {
            None
        }

        fn notify(&self, _: &Member, _: Vec<u8>) -> Result<(), WireError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_older_node_gets_a_snapshot_that_it_can_read() {
        let wire = Older::default();
        let member = Member { name: "node2".into(), address: ([127, 0, 0, 1], 1).into() };
        let mut networks = RaftNetworks::new(wire.clone(), 1);
        let network = networks.new_snapshot_client(2, &member).await;
        let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: None, last_membership: Default::default() };
        let snapshot = encode(WIRE_VERSION, &State::default()).unwrap();
        let sent = SnapshotOf::<TypeConfig, Vec<u8>> { meta, snapshot };
        let sent = network.send_parts(VoteOf::<TypeConfig>::new_committed(1, 1), sent, Duration::from_secs(1)).await;
        assert!(sent.is_ok());
        let arrived = wire.0.lock().unwrap().clone();
        assert_eq!(version_of(Kind::State, &arrived), Ok(OLDEST_WIRE_VERSION));
        assert_eq!(decode::<State>(&arrived), Ok(State::default()));
    }
}
