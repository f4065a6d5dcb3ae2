//! One timer for any number of deadlines, re-armed only when it fires too early.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// A timer that a connection keeps for its whole life.
///
/// Deadlines of a busy connection move on with every request, nearly always to a later time. So the
/// timer stays where it was set and is moved when it fires; a request costs neither an allocation
/// nor an entry in the timer wheel.
#[derive(Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it will wake, and when: here, since the timer itself is mostly far from the processor.
    armed: Option<(Waker, Instant)>,
}

impl Alarm {
    pub(crate) const fn new() -> Self {
        Alarm { sleep: None, armed: None }
    }

    /// Ready once `deadline` has passed; until then the task is woken at that time or before.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if let Some((wakes, at)) = &self.armed
            && *at <= deadline
            && wakes.will_wake(cx.waker())
            && clock::now() < *at
        {
            // It has not fired and knows this task already, as nearly always.
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                self.armed = Some((cx.waker().clone(), sleep.deadline()));
                return Poll::Pending;
            }
            self.armed = None;
            if sleep.deadline() >= deadline || clock::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    fn on_virtual_time<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn fires_at_the_latest_deadline_asked_for() {
        on_virtual_time(async {
            let start = Instant::now();
            let mut alarm = Alarm::new();
            let first = start + Duration::from_secs(1);
            let later = start + Duration::from_secs(3);
            poll_fn(|cx| {
                assert!(alarm.poll(cx, first).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|cx| alarm.poll(cx, later)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(3));
        });
    }

    #[test]
    fn fires_at_an_earlier_deadline_than_it_was_set_to() {
        on_virtual_time(async {
            let start = Instant::now();
            let mut alarm = Alarm::new();
            poll_fn(|cx| {
                assert!(alarm.poll(cx, start + Duration::from_secs(75)).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|cx| alarm.poll(cx, start + Duration::from_secs(30))).await;
            assert_eq!(start.elapsed(), Duration::from_secs(30));
        });
    }

    #[test]
    fn serves_two_deadlines_at_once() {
        on_virtual_time(async {
            let start = Instant::now();
            let mut alarm = Alarm::new();
            let (read, write) = (Duration::from_secs(60), Duration::from_secs(20));
            poll_fn(|cx| {
                if alarm.poll(cx, start + read).is_ready() {
                    return Poll::Ready(());
                }
                alarm.poll(cx, start + write)
            })
            .await;
            assert_eq!(start.elapsed(), write);
        });
    }
}
