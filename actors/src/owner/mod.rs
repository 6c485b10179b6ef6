//! What the node owns: follows the applied state, has addresses held and answered for, and releases what is to move.
//! An actor around [`Keeper`], which decides.

mod diary;
mod duty;
mod keeper;
mod lingering;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use quorumlb_raft_store::machine::{Command, Epoch, Event, Record, SessionId, State};
use tokio::time::Instant;

use crate::holding::Claimant;
use crate::node::{Followed, Follower, Shared, follow};
use crate::ports::World;
use crate::report::ReportMessage;
use crate::segment::SegmentMessage;
use crate::tree::{Alarm, Failure, Line, Role, Sent};

use diary::Diary;
use duty::{Duty, duties, duty_of};
use keeper::{Input, Keeper, Output};
use lingering::Lingering;

/// Changes that no record tells of (interfaces of an ownership) are found by looking at everything, this soon.
const LOOK_AT_ALL: Duration = Duration::from_millis(200);

/// How long a release may take before it is proposed again.
const RELEASING: Duration = Duration::from_secs(2);

/// An address that could not be programmed is not wanted again for this long.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// Releases of one proposal.
const BATCH: usize = 500;

/// Addresses that are held together: few enough that the first ones are answered for soon.
const HOLD_BATCH: usize = 64;

/// What the keeper of the owned addresses is told.
#[derive(Clone, Debug)]
pub enum OwnerMessage {
    /// The applied state changed.
    Followed(Followed),
    /// The node's part in the group began or ended.
    GroupChanged,
    /// This run has a session.
    SessionOpened,
    /// Look at the whole state.
    LookAtAll,
    /// An interface's actor is new: it answers for nothing yet.
    SegmentUp(String),
    /// An interface is gone.
    SegmentGone(String),
    /// An interface's responder answers for an address from now on, as far as the fence allows.
    Programmed {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// An interface's responder cannot answer for an address.
    NotProgrammed {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// Under which epoch.
        epoch: Epoch,
        /// Why.
        why: String,
    },
    /// An interface's responder does not answer for an address any more.
    Silent {
        /// The interface.
        interface: String,
        /// The address.
        address: IpAddr,
        /// The order to stop that it has carried out.
        order: u64,
    },
    /// An interface answers for nothing of what it was told before.
    Adopted {
        /// The interface.
        interface: String,
        /// The order that it has carried out.
        order: u64,
    },
    /// Let go of addresses that have lingered long enough; say again what was not confirmed.
    Tick,
    /// These releases were not taken.
    NotReleased(Vec<(IpAddr, Epoch)>),
}

/// The keeper of what the node owns.
pub struct OwnerDesk<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Owning {
    keeper: Keeper,
    session: Option<SessionId>,
    follow: Option<Follower>,
    lingering: Lingering,
    refused: BTreeMap<IpAddr, Instant>,
    look: Alarm,
    looking: bool,
    tick: Alarm,
    diary: Diary,
}

impl<W: World> OwnerDesk<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn attach(&self, me: &Line<OwnerMessage>, owning: &mut Owning) {
        owning.follow = self.shared.part().map(|part| follow(part.view(), me, OwnerMessage::Followed));
    }

    /// Reads the state: these addresses, or all of them.
    async fn look(&self, only: Option<BTreeSet<IpAddr>>, owning: &mut Owning) {
        let Some(part) = self.shared.part() else { return };
        let (session, wanted) = part.view().read(|state| {
            let session = self.my_session(state);
            let wanted = match (&only, session) {
                (_, None) => BTreeMap::new(),
                (Some(addresses), Some(_)) => {
                    let of = |address: &IpAddr| Some((*address, duty_of(state, &self.shared.me, *address)?));
                    addresses.iter().filter_map(of).collect()
                }
                (None, Some(_)) => duties(state, &self.shared.me),
            };
            (session, wanted)
        });
        if session != owning.session {
            self.adopt(session, owning).await;
            if only.is_some() && session.is_some() {
                return Box::pin(self.look(None, owning)).await;
            }
        }
        let known: Vec<IpAddr> = match only {
            Some(addresses) => addresses.into_iter().collect(),
            None => owning
                .keeper
                .addresses()
                .into_iter()
                .chain(wanted.keys().copied())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        let inputs = known.into_iter().map(|address| Input::Wanted(address, wanted.get(&address).cloned())).collect();
        self.steps(inputs, owning).await;
        self.publish(owning);
    }

    /// This run's session in the state, if it has one.
    fn my_session(&self, state: &State) -> Option<SessionId> {
        let session = state.members.get(&self.shared.me)?.session?;
        (session.incarnation == self.shared.incarnation).then_some(session.id)
    }

    /// Another session: what was owned under the last one is answered for no more, and begins anew.
    async fn adopt(&self, session: Option<SessionId>, owning: &mut Owning) {
        owning.session = session;
        let outputs = owning.keeper.begin_anew(self.shared.lines.interfaces());
        self.carry_out(outputs, VecDeque::new(), owning).await;
    }

    async fn step(&self, input: Input, owning: &mut Owning) {
        self.steps(vec![input], owning).await;
    }

    async fn steps(&self, inputs: Vec<Input>, owning: &mut Owning) {
        self.carry_out(Vec::new(), inputs.into(), owning).await;
    }

    /// Carries outputs out, takes inputs, and carries out what follows; what is to be held is held together.
    async fn carry_out(&self, outputs: Vec<Output>, mut waiting: VecDeque<Input>, owning: &mut Owning) {
        let (mut to_hold, mut released) = (Vec::new(), Vec::new());
        let mut outputs = VecDeque::from(outputs);
        loop {
            while let Some(output) = outputs.pop_front() {
                match output {
                    Output::Hold(address) => to_hold.push(address),
                    Output::LetGo(address) => owning.lingering.add(address, Instant::now()),
                    Output::Release(address, epoch) => released.push((address, epoch)),
                    Output::Refuse { address, epoch, why } => self.refuse(address, epoch, why, owning),
                    output => waiting.extend(self.tell(output, owning.session)),
                }
            }
            if let Some(input) = waiting.pop_front() {
                outputs.extend(owning.keeper.step(input));
            } else if to_hold.is_empty() {
                break;
            } else {
                let batch: Vec<IpAddr> = to_hold.drain(..to_hold.len().min(HOLD_BATCH)).collect();
                waiting.extend(self.hold(&batch, owning).await);
            }
        }
        self.release(released);
    }

    async fn hold(&self, batch: &[IpAddr], owning: &mut Owning) -> Vec<Input> {
        batch.iter().for_each(|address| owning.lingering.cancel(*address));
        match self.shared.holding.hold(&self.shared.world, Claimant::Owner, batch).await {
            Ok(refused) => {
                let refused: BTreeMap<IpAddr, String> = refused.into_iter().collect();
                let result = |address: &IpAddr| refused.get(address).map_or(Ok(()), |why| Err(why.clone()));
                batch.iter().map(|address| Input::Held(*address, result(address))).collect()
            }
            Err(why) => batch.iter().map(|address| Input::Held(*address, Err(why.clone()))).collect(),
        }
    }

    /// Tells an interface. One whose actor is not there answers for nothing; when it is there again, it says so with
    /// `SegmentUp`, and is told everything.
    fn tell(&self, output: Output, session: Option<SessionId>) -> Option<Input> {
        let (interface, message, otherwise) = match output {
            Output::Own { interface, address, epoch } => {
                (interface, SegmentMessage::Own { session: session?, address, epoch }, None)
            }
            Output::Disown { interface, address, order } => {
                let silent = Input::Silent { interface: interface.clone(), address, order };
                (interface, SegmentMessage::Disown { address, order }, Some(silent))
            }
            Output::Adopt { interface, order } => {
                let adopted = Input::Adopted { interface: interface.clone(), order };
                (interface, SegmentMessage::Adopt { session, order }, Some(adopted))
            }
            Output::Hold(_) | Output::LetGo(_) | Output::Release(..) | Output::Refuse { .. } => return None,
        };
        let sent = self.shared.lines.segment(&interface).map_or(Sent::Nobody, |line| line.send(message));
        otherwise.filter(|_| sent == Sent::Nobody)
    }

    fn release(&self, released: Vec<(IpAddr, Epoch)>) {
        for batch in released.chunks(BATCH) {
            let (shared, batch) = (self.shared.clone(), batch.to_vec());
            tokio::spawn(async move {
                let command = Command::Release { node: shared.me.clone(), addresses: batch.clone() };
                if let Err(error) = shared.propose(command, RELEASING).await {
                    tracing::warn!(%error, addresses = batch.len(), "a release was not taken; it is tried again");
                    shared.lines.owner.answer(OwnerMessage::NotReleased(batch));
                }
            });
        }
    }

    fn refuse(&self, address: IpAddr, epoch: Epoch, why: String, owning: &mut Owning) {
        tracing::error!(%address, %why, "this node cannot answer for an address and gives it up");
        owning.refused.insert(address, Instant::now() + REFUSED_FOR);
        self.tell_refused(owning);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let command = Command::Refuse { node: shared.me.clone(), address, epoch, message: why };
            // What is lost is noticed again at the next look.
            let _ = shared.propose(command, RELEASING).await;
        });
    }

    fn tell_refused(&self, owning: &Owning) {
        let refused = owning.refused.keys().copied().collect();
        self.shared.lines.report.send(ReportMessage::Refused(refused)).or_lost();
    }

    /// What lingers is let go of, what was refused may be wanted again.
    async fn tick(&self, owning: &mut Owning) {
        let now = Instant::now();
        let due = owning.lingering.due(now);
        if !due.is_empty()
            && let Err(error) = self.shared.holding.let_go(&self.shared.world, Claimant::Owner, &due).await
        {
            tracing::warn!(%error, "the loopback still holds addresses that this node does not own");
        }
        let before = owning.refused.len();
        owning.refused.retain(|_, until| *until > now);
        if owning.refused.len() != before {
            self.tell_refused(owning);
        }
    }

    /// The records' addresses, as far as they concern this node.
    async fn records(&self, me: &Line<OwnerMessage>, records: &[Record], owning: &mut Owning) {
        let mut touched = BTreeSet::new();
        let mut all = false;
        for record in records {
            match &record.event {
                Event::Granted { address, node, from, .. }
                    if *node == self.shared.me || from.as_ref() == Some(&self.shared.me) =>
                {
                    touched.insert(*address);
                }
                Event::ReleaseAsked { address, node, .. } if *node == self.shared.me => drop(touched.insert(*address)),
                Event::Unowned { address, from, .. } if *from == self.shared.me => drop(touched.insert(*address)),
                Event::SessionOpened { node, .. }
                | Event::SessionExpired { node, .. }
                | Event::SessionClosed { node }
                    if *node == self.shared.me =>
                {
                    all = true;
                }
                _ => {}
            }
        }
        if all {
            self.look(None, owning).await;
        } else if !touched.is_empty() {
            self.look(Some(touched), owning).await;
        }
        self.look_at_all_later(me, owning);
    }

    fn look_at_all_later(&self, me: &Line<OwnerMessage>, owning: &mut Owning) {
        if !std::mem::replace(&mut owning.looking, true) {
            owning.look.set(me, LOOK_AT_ALL, OwnerMessage::LookAtAll);
        }
    }

    fn publish(&self, owning: &Owning) {
        let owned = owning.keeper.status();
        self.shared.board.update(|status| status.owned = owned);
    }

    /// Holds of an earlier run that nobody needs any more are let go of once this run knows what it owns.
    async fn adopt_holds(&self, owning: &mut Owning) {
        match self.shared.world.held().await {
            Ok(held) => held.into_iter().for_each(|address| owning.lingering.add(address, Instant::now())),
            Err(error) => tracing::warn!(%error, "what an earlier run left on the loopback is not known"),
        }
    }
}

impl<W: World> Role for OwnerDesk<W> {
    type Message = OwnerMessage;
    type State = Owning;

    async fn start(&self, me: &Line<OwnerMessage>) -> Result<Owning, Failure> {
        let mut owning = Owning {
            keeper: Keeper::new(u64::try_from(self.shared.world.boot_now().0.as_nanos()).unwrap_or(u64::MAX / 2)),
            session: None,
            follow: None,
            lingering: Lingering::default(),
            refused: BTreeMap::new(),
            look: Alarm::default(),
            looking: false,
            tick: Alarm::default(),
            diary: Diary::default(),
        };
        self.adopt_holds(&mut owning).await;
        self.adopt(None, &mut owning).await;
        self.attach(me, &mut owning);
        owning.tick.set(me, lingering::TICK, OwnerMessage::Tick);
        Ok(owning)
    }

    async fn handle(&self, me: &Line<OwnerMessage>, message: OwnerMessage, owning: &mut Owning) -> Result<(), Failure> {
        match message {
            OwnerMessage::Followed(Followed::Records(records)) => self.records(me, &records, owning).await,
            OwnerMessage::Followed(Followed::Everything) | OwnerMessage::SessionOpened => self.look(None, owning).await,
            OwnerMessage::LookAtAll => {
                owning.looking = false;
                self.look(None, owning).await;
            }
            OwnerMessage::GroupChanged => self.attach(me, owning),
            OwnerMessage::SegmentUp(interface) => self.step(Input::SegmentUp(interface), owning).await,
            OwnerMessage::SegmentGone(interface) => self.step(Input::SegmentGone(interface), owning).await,
            OwnerMessage::Programmed { interface, address, epoch } => {
                self.step(Input::Programmed { interface, address, epoch }, owning).await;
                self.publish_one(address, owning);
            }
            OwnerMessage::NotProgrammed { interface, address, epoch, why } => {
                self.step(Input::NotProgrammed { interface, address, epoch, why }, owning).await;
                self.publish_one(address, owning);
            }
            OwnerMessage::Silent { interface, address, order } => {
                self.step(Input::Silent { interface, address, order }, owning).await;
            }
            OwnerMessage::Adopted { interface, order } => {
                self.step(Input::Adopted { interface, order }, owning).await;
            }
            OwnerMessage::Tick => {
                self.tick(owning).await;
                self.step(Input::Remind, owning).await;
                Self::write_down(owning);
                owning.tick.set(me, lingering::TICK, OwnerMessage::Tick);
            }
            OwnerMessage::NotReleased(batch) => owning.keeper.not_released(&batch),
        }
        Ok(())
    }

    async fn stop(&self, owning: &mut Owning) {
        Self::write_down(owning);
        owning.lingering.wait().await;
        // The process ends: what stays is found by the next run.
        let _ = self.shared.holding.let_go(&self.shared.world, Claimant::Owner, &owning.lingering.all()).await;
    }
}

impl<W: World> OwnerDesk<W> {
    /// Tells the log what changed since the last time. That the fence is closed is told by the session's keeper.
    fn write_down(owning: &mut Owning) {
        let answering = owning.keeper.answering();
        owning.diary.turn(answering).into_iter().for_each(|line| tracing::info!("{line}"));
    }

    fn publish_one(&self, address: IpAddr, owning: &Owning) {
        let one = owning.keeper.status_of(address);
        self.shared.board.update(|status| match one {
            Some(one) => drop(status.owned.insert(address, one)),
            None => drop(status.owned.remove(&address)),
        });
    }
}

/// What the state says this node is to do for an address; see [`Duty`].
pub type Duties = BTreeMap<IpAddr, Duty>;
