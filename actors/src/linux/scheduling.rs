//! How the kernel schedules this process: before others for what is short and must be in time, like others for what is long.

use thread_priority::{
    Error, NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

/// The lowest real-time priority: before everything that has none, after whatever asked for more.
const REALTIME: u8 = 1;

/// The middle of the scale: a nice value of about 0.
const ORDINARY: u8 = 50;

/// Asks for real-time scheduling (SCHED_RR) of this thread, and of those that it starts.
///
/// # Errors
/// When the process may not have it, in words.
pub fn prefer_realtime() -> Result<(), String> {
    set(ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin), REALTIME)
        .map_err(|error| format!("{error:?}"))
}

fn set(policy: ThreadSchedulePolicy, priority: u8) -> Result<(), Error> {
    let priority = ThreadPriorityValue::try_from(priority).map_err(|_| Error::Priority("out of range"))?;
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
}

/// Gives a thread back its real-time scheduling, also when its work panicked.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        if let Err(error) = prefer_realtime() {
            tracing::warn!(%error, "a thread has lost its real-time scheduling");
        }
    }
}

/// Does long work on this thread as the system schedules everyone else, so that in real time it does not hold up pings: not
/// this process's, and not those of others on the same machine.
pub(super) fn like_others<R>(work: impl FnOnce() -> R) -> R {
    let realtime = matches!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Realtime(_)));
    let ordinary = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    let _back = (realtime && set(ordinary, ORDINARY).is_ok()).then_some(Back);
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_is_scheduled_like_others_and_what_follows_as_before() {
        let policy = || thread_schedule_policy().unwrap();
        prefer_realtime().expect("the tests run as root");
        let realtime = policy();
        assert!(matches!(realtime, ThreadSchedulePolicy::Realtime(_)));
        assert!(matches!(like_others(policy), ThreadSchedulePolicy::Normal(_)));
        assert_eq!(policy(), realtime);
    }
}
